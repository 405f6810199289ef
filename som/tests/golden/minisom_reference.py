"""Reference figures of minisom for the map tests: writes ../data/minisom.json.

    pip install minisom==2.3.6 scikit-learn==1.9.1 && python minisom_reference.py

Only runs without randomness are kept: start from the principal plane, then `train_batch_offline`.
minisom's first map coordinate runs along the shifted rows of its hexagonal lattice; everything is written here row by row
in the order of etude-som (row = minisom's second coordinate, column = its first).
"""

import json
import pathlib

import minisom
import numpy as np
from sklearn.datasets import load_digits, load_iris


def zscore(x):
    return (x - x.mean(axis=0)) / x.std(axis=0)


def by_rows(values):
    return np.swapaxes(values, 0, 1).ravel().tolist()


def run(name, data, size, sigma, epochs, topology="rectangular", neighbourhood="gaussian", keep=False):
    # The tested library keeps samples and weights as f32: round the samples first, so that both see the same numbers.
    data = data.astype(np.float32).astype(np.float64)
    som = minisom.MiniSom(
        *size, data.shape[1], sigma=sigma, learning_rate=0.5, random_seed=10,
        topology=topology, neighborhood_function=neighbourhood,
    )
    som.pca_weights_init(data)
    start = som.get_weights().astype(np.float32).astype(np.float64)
    som._weights = start.copy()
    out = {
        "name": name, "rows": size[1], "cols": size[0], "sigma": sigma, "epochs": epochs,
        "topology": topology, "neighbourhood": neighbourhood,
        "qe0": som.quantization_error(data), "te0": float(som.topographic_error(data)),
    }
    som.train_batch_offline(data, epochs)
    out["qe"] = som.quantization_error(data)
    out["te"] = float(som.topographic_error(data))
    out["hits"] = by_rows(som.activation_response(data).astype(int))
    out["u_matrix_mean"] = by_rows(som.distance_map(scaling="mean"))
    if keep:
        out["start"] = by_rows(start)
        out["weights"] = by_rows(som.get_weights())
        out["distortion"] = float(som.distortion_measure(data))
    return out


iris, digits = zscore(load_iris().data), load_digits().data / 16.0
result = {
    "minisom": "2.3.6",
    "iris": iris.astype(np.float32).ravel().tolist(),
    "iris_labels": load_iris().target.tolist(),
    "runs": [
        run("iris", iris, (7, 7), 1.5, 100, keep=True),
        run("iris-hex", iris, (7, 7), 1.5, 30, topology="hexagonal", keep=True),
        run("iris-bubble", iris, (6, 8), 2.0, 20, neighbourhood="bubble", keep=True),
        run("iris-mexican", iris, (6, 8), 1.5, 1, neighbourhood="mexican_hat", keep=True),
        run("digits", digits, (20, 20), 3.0, 50),
    ],
}
path = pathlib.Path(__file__).parent / "../data/minisom.json"
path.write_text(json.dumps(result) + "\n")
for r in result["runs"]:
    print({k: v for k, v in r.items() if k not in ("hits", "u_matrix_mean", "weights", "start")})
