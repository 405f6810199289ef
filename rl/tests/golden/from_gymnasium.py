"""Writes from_gymnasium.json: transitions that our environments must reproduce.

    python3 -m venv /tmp/venv && /tmp/venv/bin/pip install gymnasium==1.4.0 numpy==2.4.6
    /tmp/venv/bin/python rl/tests/golden/from_gymnasium.py

CartPole-v1: whole episodes under a random policy, and one under a controller that reaches the limit of 500 steps.
Each row is [action, reward, terminated, truncated, state after (4 × f64)]; the state before is the row above's, or `start`.
FrozenLake-v1, FrozenLake8x8-v1, CliffWalking-v1: the transition tables, one list for each state and action, of
[probability, next state, reward, terminated].
"""

import json
from pathlib import Path

import gymnasium as gym
import numpy as np


def cart_pole(env, seed, policy):
    env.reset(seed=seed)
    start = [float(x) for x in env.unwrapped.state]
    rows = []
    while True:
        action = policy(env.unwrapped.state)
        obs, reward, terminated, truncated, _ = env.step(action)
        state = env.unwrapped.state
        assert (np.asarray(state, dtype=np.float32) == obs).all()
        rows.append([action, reward, int(terminated), int(truncated), *(float(x) for x in state)])
        if terminated or truncated:
            return {"start": start, "rows": rows}


def table(env):
    p = env.unwrapped.P
    return [
        [[float(prob), int(s), float(r), int(end)] for prob, s, r, end in p[state][action]]
        for state in sorted(p)
        for action in range(4)
    ]


def main():
    rng = np.random.default_rng(0)
    env = gym.make("CartPole-v1")
    random = [cart_pole(env, seed, lambda _: int(rng.integers(2))) for seed in range(8)]
    # The pole pushed one way only: the fastest fall.
    one_way = [cart_pole(env, 8, lambda _: 0), cart_pole(env, 9, lambda _: 1)]
    # A linear controller that stays up: the only way to see a truncation.
    gains = np.array([0.1, 0.3, 3.0, 1.0])
    balanced = [cart_pole(env, 10, lambda s: int(gains @ np.asarray(s) > 0))]
    assert len(balanced[0]["rows"]) == 500 and balanced[0]["rows"][-1][3] == 1
    golden = {
        "gymnasium": gym.__version__,
        "cart_pole": random + one_way + balanced,
        "frozen_lake_4x4": table(gym.make("FrozenLake-v1")),
        "frozen_lake_4x4_dry": table(gym.make("FrozenLake-v1", is_slippery=False)),
        "frozen_lake_8x8": table(gym.make("FrozenLake8x8-v1")),
        "cliff_walking": table(gym.make("CliffWalking-v1")),
        "cliff_walking_slippery": table(gym.make("CliffWalkingSlippery-v1")),
    }
    out = Path(__file__).with_suffix(".json")
    lines = ",\n".join(f"{json.dumps(k)}:{json.dumps(v, separators=(',', ':'))}" for k, v in golden.items())
    out.write_text("{\n" + lines + "\n}\n")


if __name__ == "__main__":
    main()
