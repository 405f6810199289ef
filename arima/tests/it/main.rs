//! Étude's ARIMA against statsmodels and Stata, against simulation, and against bad input.

mod estimators;
mod faults;
mod reference;
mod sarima;
mod search;
