//! What the tour shows: the families in their order, and the examples of each.
//!
//! An example names its own results; the metrics listed here are the ones that it owes, so that a result that silently
//! vanishes fails the tour instead of shortening the page.

use anyhow::{Result, bail};

/// One family of models: a crate of the workspace.
#[derive(Debug)]
pub struct Family {
    /// Its folder, and the name after `--only`.
    pub folder: &'static str,
    /// Its heading on the page.
    pub title: &'static str,
    /// Its showpieces, in the order in which they run.
    pub showpieces: &'static [Showpiece],
}

/// One example that the tour runs.
#[derive(Debug)]
pub struct Showpiece {
    /// The example's name, as cargo knows it.
    pub example: &'static str,
    /// What it must report.
    pub metrics: &'static [Metric],
}

/// A promised result, and how the page words it.
#[derive(Debug)]
pub struct Metric {
    /// Its name in `results.json`.
    pub name: &'static str,
    /// Its name on the page.
    pub label: &'static str,
    /// How to write its value.
    pub unit: Unit,
    /// Whether the table at the top of the page shows it.
    pub headline: bool,
}

/// How a value is written for a reader; `results.json` always has the plain number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A fraction, shown in per cent.
    Share,
    /// A number, with the unit that follows it.
    Number(&'static str),
}

impl Family {
    /// The package, `etude-gan` for `gan`.
    pub fn package(&self) -> String {
        format!("etude-{}", self.folder)
    }
}

const fn metric(name: &'static str, label: &'static str, unit: Unit) -> Metric {
    Metric { name, label, unit, headline: true }
}

/// A result that only its own section shows.
const fn detail(name: &'static str, label: &'static str, unit: Unit) -> Metric {
    Metric { name, label, unit, headline: false }
}

/// The tour, in its order.
pub const FAMILIES: &[Family] = &[
    Family {
        folder: "cnn",
        title: "Convolutional networks",
        showpieces: &[Showpiece {
            example: "lenet",
            metrics: &[
                metric("lenet_accuracy", "test accuracy", Unit::Share),
                detail("lenet_loss", "test cross-entropy", Unit::Number("nats")),
            ],
        }],
    },
    Family {
        folder: "ae-vae",
        title: "Autoencoders",
        showpieces: &[Showpiece {
            example: "vae",
            metrics: &[metric("vae_neg_elbo", "negative ELBO, test", Unit::Number("nats"))],
        }],
    },
    Family {
        folder: "gan",
        title: "Adversarial networks",
        showpieces: &[
            Showpiece {
                example: "wgan_gp",
                metrics: &[
                    metric("wgan_gp_modes", "modes covered", Unit::Number("of 25")),
                    metric("wgan_gp_share", "samples within 3σ of a mode", Unit::Share),
                ],
            },
            Showpiece {
                example: "dcgan",
                metrics: &[metric("dcgan_classes", "digits that it draws", Unit::Number("of 10"))],
            },
        ],
    },
    Family {
        folder: "rnn",
        title: "Recurrent networks",
        showpieces: &[Showpiece {
            example: "char_lstm",
            metrics: &[metric("lstm_bpc", "held-out text", Unit::Number("bits per character"))],
        }],
    },
    Family {
        folder: "arima",
        title: "Time series",
        showpieces: &[Showpiece {
            example: "airline",
            metrics: &[
                metric("airline_loglik_abs_diff", "log-likelihood, distance to the reference", Unit::Number("")),
                detail("airline_theta_abs_diff", "θ, distance to the reference", Unit::Number("")),
                detail("airline_seasonal_theta_abs_diff", "seasonal Θ, distance to the reference", Unit::Number("")),
                detail("airline_holdout_rmse", "error on two years held out", Unit::Number("thousand a month")),
            ],
        }],
    },
    Family {
        folder: "transformer",
        title: "Transformers",
        showpieces: &[Showpiece {
            example: "gpt",
            metrics: &[
                metric("gpt_bpc", "held-out text", Unit::Number("bits per character")),
                detail("gpt_cache_difference", "scores with and without the cache, distance", Unit::Number("")),
            ],
        }],
    },
    Family {
        folder: "som",
        title: "Self-organising maps",
        showpieces: &[Showpiece {
            example: "digits",
            metrics: &[
                metric("digits_qe", "quantisation error", Unit::Number("")),
                metric("digits_te", "topographic error", Unit::Share),
                detail("digits_purity", "digits on a node of their own kind", Unit::Share),
            ],
        }],
    },
    Family {
        folder: "rl",
        title: "Reinforcement learning",
        showpieces: &[
            Showpiece {
                example: "frozen_lake",
                metrics: &[
                    metric("frozen_lake_value_ratio", "of the best policy's value", Unit::Share),
                    detail("frozen_lake_success", "crossings within 100 steps", Unit::Share),
                ],
            },
            Showpiece {
                example: "dqn",
                metrics: &[metric("dqn_return", "mean return, 100 episodes", Unit::Number("of 500"))],
            },
            Showpiece {
                example: "ppo",
                metrics: &[metric("ppo_return", "mean return, 100 episodes", Unit::Number("of 500"))],
            },
        ],
    },
];

/// The families that `--only` names, in the tour's order; all of them when it names none.
pub fn chosen(only: &[String]) -> Result<Vec<&'static Family>> {
    for name in only {
        if !FAMILIES.iter().any(|family| family.folder == name) {
            let known: Vec<_> = FAMILIES.iter().map(|family| family.folder).collect();
            bail!("--only: there is no family \"{name}\"; the families are {}", known.join(", "));
        }
    }
    Ok(FAMILIES.iter().filter(|family| only.is_empty() || only.iter().any(|name| name == family.folder)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace;

    #[test]
    fn only_keeps_the_tours_order_and_names_what_it_does_not_know() {
        let chosen_folders = |only: &[&str]| {
            let only: Vec<String> = only.iter().map(|name| name.to_string()).collect();
            chosen(&only).map(|families| families.iter().map(|f| f.folder).collect::<Vec<_>>())
        };
        assert_eq!(chosen_folders(&["rl", "cnn"]).expect("both exist"), ["cnn", "rl"]);
        assert_eq!(chosen_folders(&[]).expect("all").len(), FAMILIES.len());
        let error = chosen_folders(&["cnn", "gans"]).expect_err("no such family").to_string();
        assert!(error.contains("\"gans\"") && error.contains("ae-vae, gan, rnn"), "{error}");
    }

    /// The examples' sources say which results they report.
    #[test]
    fn every_result_of_a_showpiece_has_a_label() {
        for family in FAMILIES {
            for showpiece in family.showpieces {
                let path = format!("{}/examples/{}.rs", family.folder, showpiece.example);
                let source = std::fs::read_to_string(workspace::root().join(&path)).expect(&path);
                let reported = source.split("report.result(\"").skip(1).filter_map(|rest| rest.split('"').next());
                let reported: Vec<_> = reported.collect();
                let labelled: Vec<_> = showpiece.metrics.iter().map(|metric| metric.name).collect();
                assert_eq!(reported, labelled, "{path}");
            }
        }
    }

    #[test]
    fn no_metric_is_promised_twice() {
        let mut names: Vec<_> = FAMILIES
            .iter()
            .flat_map(|family| family.showpieces)
            .flat_map(|showpiece| showpiece.metrics)
            .map(|metric| metric.name)
            .collect();
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{names:?}");
    }
}
