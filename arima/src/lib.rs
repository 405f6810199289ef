//! AR, ARIMA and SARIMA by exact maximum likelihood.
