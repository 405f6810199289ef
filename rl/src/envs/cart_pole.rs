//! CartPole-v1: keep a pole upright by pushing the cart under it left or right.
//!
//! The equations are those of Florian 2007, "Correct equations for the dynamics of the cart-pole system", without
//! friction, integrated by explicit Euler steps as in gymnasium's `cartpole.py`. As there, the state is f64 and only
//! the observation is rounded to f32.

use etude_kernels::rng::Rng;

use crate::{Env, Episode, RlError, Space, Transition};

/// m/s².
const GRAVITY: f64 = 9.8;
/// kg.
const CART_MASS: f64 = 1.0;
/// kg.
const POLE_MASS: f64 = 0.1;
const TOTAL_MASS: f64 = POLE_MASS + CART_MASS;
/// Half of the pole, m.
const HALF_LENGTH: f64 = 0.5;
const POLE_MASS_LENGTH: f64 = POLE_MASS * HALF_LENGTH;
/// N.
const FORCE: f64 = 10.0;
/// Seconds a step.
const TAU: f64 = 0.02;
/// 12°, beyond which the pole has fallen.
const ANGLE_LIMIT: f64 = 12.0 * 2.0 * std::f64::consts::PI / 360.0;
/// The end of the track, m.
const POSITION_LIMIT: f64 = 2.4;
/// Steps after which v1 truncates.
const STEP_LIMIT: usize = 500;

/// The environment. The state is (position, velocity, angle, angular velocity), the actions are 0 = left, 1 = right,
/// the reward is 1 a step.
#[derive(Clone, Debug)]
pub struct CartPole {
    state: [f64; 4],
    episode: Episode,
}

impl CartPole {
    /// An environment that waits for its first `reset`.
    pub fn new() -> CartPole {
        CartPole { state: [0.0; 4], episode: Episode::new("CartPole-v1", 2, Some(STEP_LIMIT)) }
    }

    /// Position, velocity, angle, angular velocity.
    pub fn state(&self) -> [f64; 4] {
        self.state
    }

    /// Starts an episode in a given state instead of a random one.
    ///
    /// # Errors
    /// A component that is not finite; the environment is unchanged then.
    pub fn reset_to(&mut self, state: [f64; 4]) -> Result<[f32; 4], RlError> {
        finite(&state, 0)?;
        self.state = state;
        self.episode.begin();
        Ok(self.observation())
    }

    fn observation(&self) -> [f32; 4] {
        self.state.map(|x| x as f32)
    }
}

impl Default for CartPole {
    fn default() -> CartPole {
        CartPole::new()
    }
}

impl Env for CartPole {
    type Obs = [f32; 4];

    fn name(&self) -> &'static str {
        self.episode.name()
    }

    fn observation_space(&self) -> Space {
        // Twice the limits, so that the observation that ends an episode is inside.
        let high = vec![2.0 * POSITION_LIMIT as f32, f32::INFINITY, 2.0 * ANGLE_LIMIT as f32, f32::INFINITY];
        Space::Box { low: high.iter().map(|x| -x).collect(), high }
    }

    fn actions(&self) -> usize {
        self.episode.actions()
    }

    fn reset(&mut self, seed: u64) -> [f32; 4] {
        let mut rng = Rng::new(seed);
        self.state = std::array::from_fn(|_| -0.05 + 0.1 * rng.f64());
        self.episode.begin();
        self.observation()
    }

    fn step(&mut self, action: usize) -> Result<Transition<[f32; 4]>, RlError> {
        self.episode.check(action)?;
        let state = euler_step(self.state, if action == 1 { FORCE } else { -FORCE });
        finite(&state, self.episode.steps())?;
        self.state = state;
        let [x, _, theta, _] = state;
        let terminated = x.abs() > POSITION_LIMIT || theta.abs() > ANGLE_LIMIT;
        let truncated = self.episode.advance(terminated);
        Ok(Transition { obs: self.observation(), reward: 1.0, terminated, truncated })
    }
}

/// Florian 2007, eqs. (23) and (24) with zero friction; the order of the operations is gymnasium's.
fn euler_step([x, x_dot, theta, theta_dot]: [f64; 4], force: f64) -> [f64; 4] {
    let (sin, cos) = theta.sin_cos();
    let temp = (force + POLE_MASS_LENGTH * (theta_dot * theta_dot) * sin) / TOTAL_MASS;
    let theta_acc = (GRAVITY * sin - cos * temp) / (HALF_LENGTH * (4.0 / 3.0 - POLE_MASS * (cos * cos) / TOTAL_MASS));
    let x_acc = temp - POLE_MASS_LENGTH * theta_acc * cos / TOTAL_MASS;
    [x + TAU * x_dot, x_dot + TAU * x_acc, theta + TAU * theta_dot, theta_dot + TAU * theta_acc]
}

fn finite(state: &[f64; 4], step: usize) -> Result<(), RlError> {
    const NAMES: [&str; 4] = ["position", "velocity", "angle", "angular velocity"];
    match state.iter().position(|x| !x.is_finite()) {
        None => Ok(()),
        Some(i) => Err(RlError::NotFinite { what: format!("CartPole-v1 {}", NAMES[i]), step, value: state[i] }),
    }
}
