"""Reference figures of statsmodels for the tests of etude-arima: writes ../data/statsmodels.json.

    pip install statsmodels==0.15.0 && python statsmodels_reference.py

"exact" fits use `simple_differencing=True`: the likelihood of the differenced series with a stationary start, which is
the convention of Stata and of etude-arima. `use_exact_diffuse=True` gives the same in levels, also with missing values.
"""

import json
import pathlib
import warnings

import numpy as np
import statsmodels.api as sm
from statsmodels.regression.linear_model import burg, yule_walker
from statsmodels.stats.diagnostic import acorr_ljungbox
from statsmodels.tsa.ar_model import AutoReg
from statsmodels.tsa.statespace.sarimax import SARIMAX
from statsmodels.tsa.statespace.tests.results import results_sarimax as stata
from statsmodels.tsa.stattools import acf, adfuller, kpss, pacf

warnings.simplefilter("ignore")
here = pathlib.Path(__file__).parent

AIR = [
    112, 118, 132, 129, 121, 135, 148, 148, 136, 119, 104, 118, 115, 126, 141, 135, 125, 149, 170, 170, 158, 133, 114, 140,
    145, 150, 178, 163, 172, 178, 199, 199, 184, 162, 146, 166, 171, 180, 193, 181, 183, 218, 230, 242, 209, 191, 172, 194,
    196, 196, 236, 235, 229, 243, 264, 272, 237, 211, 180, 201, 204, 188, 235, 227, 234, 264, 302, 293, 259, 229, 203, 229,
    242, 233, 267, 269, 270, 315, 364, 347, 312, 274, 237, 278, 284, 277, 317, 313, 318, 374, 413, 405, 355, 306, 271, 306,
    315, 301, 356, 348, 355, 422, 465, 467, 404, 347, 305, 336, 340, 318, 362, 348, 363, 435, 491, 505, 404, 359, 310, 337,
    360, 342, 406, 396, 420, 472, 548, 559, 463, 407, 362, 405, 417, 391, 419, 461, 472, 535, 622, 606, 508, 461, 390, 432,
]
air = np.array(AIR, dtype=float)
sun = sm.datasets.sunspots.load_pandas().data["SUNACTIVITY"].to_numpy()
nile = sm.datasets.nile.load_pandas().data["volume"].to_numpy()
wpi = np.array(stata.wpi1_data)
friedman = stata.friedman2_data


def fit(name, y, order, seasonal=(0, 0, 0, 0), trend=None, exog=None, steps=12, exog_future=None):
    """Exact maximum likelihood on the differenced series, tightly converged; forecasts in levels by exact diffuse start."""
    model = SARIMAX(y, exog=exog, order=order, seasonal_order=seasonal, trend=trend, simple_differencing=True)
    best = None
    for method in ("lbfgs", "bfgs", "powell"):
        start = best.params if best is not None else None
        res = model.fit(start, disp=0, method=method, maxiter=2000, **({"pgtol": 1e-9, "factr": 1.0} if method == "lbfgs" else {}))
        if best is None or res.llf > best.llf:
            best = res
    out = {
        "name": name, "order": order, "seasonal": seasonal, "trend": trend,
        "llf": best.llf, "aic": best.aic, "bic": best.bic,
        "params": dict(zip(best.param_names, map(float, best.params))),
        "loglikeobs": model.loglikeobs(best.params).tolist(),
        "bse_oim": np.sqrt(np.diag(best.cov_params_approx)).tolist(),
        "bse_opg": np.sqrt(np.diag(best.cov_params_opg)).tolist(),
    }
    if trend is None:
        level = SARIMAX(y, exog=exog, order=order, seasonal_order=seasonal, use_exact_diffuse=True)
        filtered = level.smooth(best.params)
        forecast = filtered.get_forecast(steps, exog=exog_future)
        out["forecast"] = forecast.predicted_mean.tolist()
        out["forecast_se"] = forecast.se_mean.tolist()
    return out


def missing(name, y, holes, order, seasonal, params):
    y = np.array(y, dtype=float)
    y[holes] = np.nan
    model = SARIMAX(y, order=order, seasonal_order=seasonal, use_exact_diffuse=True)
    forecast = model.smooth(params).get_forecast(12)
    return {
        "name": name, "holes": holes, "order": order, "seasonal": seasonal, "params": list(params),
        "loglikeobs": model.loglikeobs(params).tolist(), "llf": float(model.loglike(params)),
        "forecast": forecast.predicted_mean.tolist(), "forecast_se": forecast.se_mean.tolist(),
    }


t = np.arange(144 + 12)
exog = np.column_stack([np.cos(0.7 * t), (t % 5).astype(float)])
logair = np.log(air)
airline = fit("airline", logair, (0, 1, 1), (0, 1, 1, 12))
p = list(airline["params"].values())

adf = adfuller(air)
adf_ct = adfuller(logair, regression="ct", maxlag=4, autolag=None)
adf_nile = adfuller(nile)
kp, kp_nile, kp_ct = kpss(air, nlags=8), kpss(nile), kpss(logair, regression="ct", nlags=13)
lb = acorr_ljungbox(nile - nile.mean(), lags=[1, 5, 10])
lb_df = acorr_ljungbox(nile - nile.mean(), lags=[5, 10], model_df=2)
autoreg = AutoReg(sun, 2).fit()
yw_rho, yw_sigma = yule_walker(sun, 2)
yw_mle, yw_mle_sigma = yule_walker(sun, 2, method="mle")
burg_rho, burg_sigma2 = burg(sun, 2)

result = {
    "statsmodels": "0.15.0",
    "data": {
        "air": AIR, "sunspots": sun.tolist(), "nile": nile.tolist(), "wpi": wpi.tolist(),
        "consump": friedman["consump"], "m2": friedman["m2"], "exog": exog.tolist(),
    },
    "fits": [
        airline,
        fit("air-111-111", logair, (1, 1, 1), (1, 1, 1, 12)),
        fit("air-raw-211-010", air, (2, 1, 1), (0, 1, 0, 12)),
        fit("air-210-110-c", logair, (2, 1, 0), (1, 1, 0, 12), "c"),
        fit("air-first-120", logair[:120], (0, 1, 1), (0, 1, 1, 12), steps=24),
        fit("nile-011", nile, (0, 1, 1)),
        fit("nile-111", nile, (1, 1, 1)),
        fit("nile-101-c", nile, (1, 0, 1), trend="c"),
        fit("sunspots-ar2-c", sun, (2, 0, 0), trend="c"),
        fit("sunspots-ar3-c", sun, (3, 0, 0), trend="c"),
        fit("wpi-310", wpi, (3, 1, 0)),
        fit("wpi-111-c", wpi, (1, 1, 1), trend="c"),
        fit("airline-exog", logair, (0, 1, 1), (0, 1, 1, 12), exog=exog[:144], exog_future=exog[144:]),
    ],
    "missing": [
        missing("inside", logair, [20, 40, 41, 100], (0, 1, 1), (0, 1, 1, 12), p),
        missing("start-and-end", logair, [0, 3, 12, 13, 143], (0, 1, 1), (0, 1, 1, 12), p),
        missing("ar", nile, [0, 17, 50, 51, 52, 99], (1, 1, 1), (0, 0, 0, 0), [0.25, -0.87, 19700.0]),
        missing("stationary", sun - sun.mean(), [0, 100, 101], (2, 0, 1), (0, 0, 0, 0), [1.2, -0.5, 0.2, 280.0]),
    ],
    "acf_air": acf(air, nlags=30, fft=False).tolist(),
    "acf_nile_adjusted": acf(nile, nlags=20, fft=False, adjusted=True).tolist(),
    "pacf_air_yw": pacf(air, nlags=20, method="yw").tolist(),
    "pacf_air_ywm": pacf(air, nlags=20, method="ywm").tolist(),
    "adf_air": list(adf[:4]), "adf_air_critical": adf[4], "adf_nile": list(adf_nile[:4]), "adf_logair_ct": list(adf_ct[:4]),
    "kpss_air": list(kp[:3]), "kpss_nile": list(kp_nile[:3]), "kpss_logair_ct": list(kp_ct[:3]),
    "ljung_box_nile": {"lags": [1, 5, 10], "stat": lb["lb_stat"].tolist(), "p": lb["lb_pvalue"].tolist()},
    "ljung_box_nile_df2": {"lags": [5, 10], "p": lb_df["lb_pvalue"].tolist()},
    "ar_sunspots": {
        "ols": autoreg.params.tolist(), "ols_llf": autoreg.llf, "ols_sigma2": autoreg.sigma2,
        "yule_walker": [*yw_rho, yw_sigma], "yule_walker_mle": [*yw_mle, yw_mle_sigma], "burg": [*burg_rho, burg_sigma2],
    },
}
(here / "../data/statsmodels.json").write_text(json.dumps(result, default=float) + "\n")
for f in result["fits"]:
    print(f["name"], f["llf"], f["aic"], f["params"], f["bse_oim"], f["bse_opg"])
for f in result["missing"]:
    print(f["name"], f["llf"])
