//! Ten updates of both deep learners against PyTorch's: nn's `tests/golden/steps.py` wrote the losses.

use etude_autograd::Tensor;
use etude_nn::testing::{compare_twin, descend, ids, initialise, standard, uniform};
use etude_nn::{Act, Adam, Ctx, Mlp};
use etude_rl::ppo::{self, Minibatch};
use etude_rl::{ActorCritic, Batch, dqn};

#[test]
fn dqns_losses_are_pytorchs() {
    let cx = &mut Ctx::train(0);
    let q = Mlp::new(&[4, 8, 6, 2], Act::Relu, cx);
    initialise(&q);
    let target = q.clone();
    let n = 5;
    let batch = Batch {
        obs: standard("obs", [n, 4]),
        action: ids("action", [n, 1], 2),
        reward: uniform("reward", [n], 0.0, 1.0),
        next: standard("next", [n, 4]),
        terminated: Tensor::from_vec(ids("terminated", [n], 2).to_vec().iter().map(|&x| x == 1).collect(), [n]),
        truncated: Tensor::full([n], false),
    };
    let mut opt = Adam::new(&q, 2.5e-4);
    let step = |_| descend(&mut opt, dqn::loss(&q, &target, &batch, 0.99, false, cx));
    compare_twin("w10dqn", step).expect("the losses are PyTorch's");
}

#[test]
fn ppos_losses_are_pytorchs() {
    let cx = &mut Ctx::train(0);
    let agent = ActorCritic::new(4, &[8, 8], 2, cx);
    initialise(&agent);
    let n = 6;
    let batch = Minibatch {
        obs: standard("obs", [n, 4]),
        action: ids("action", [n, 1], 2),
        log_prob: uniform("log_prob", [n], -1.2, -0.2),
        advantage: standard("advantage", [n]),
        value: standard("value", [n]),
        target: standard("target", [n]),
    };
    let mut opt = Adam::new(&agent, 2.5e-4).eps(1e-5).clip_norm(0.5);
    let step = |_| {
        let loss = ppo::loss(&agent, &batch, 0.2, Some(0.2), cx);
        descend(&mut opt, &loss.policy + &loss.value * 0.25 - &loss.entropy * 0.01)
    };
    compare_twin("w10ppo", step).expect("the losses are PyTorch's");
}
