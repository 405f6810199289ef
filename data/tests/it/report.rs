//! The report of an example: what was added is on the disk, whole, and errors lose nothing.

use clap::Parser as _;
use etude_autograd::Tensor;
use etude_data::example::{Args, Better, Report, ReportError, thousands};
use etude_data::picture::{self, Picture};
use serde_json::Value;

fn args(dir: &std::path::Path) -> Args {
    let out = dir.join("deep/er");
    Args::try_parse_from([
        "example".as_ref(),
        "--quick".as_ref(),
        "--seed".as_ref(),
        "7".as_ref(),
        "--out".as_ref(),
        out.as_os_str(),
    ])
    .expect("good arguments")
}

fn dot() -> Tensor {
    Tensor::from_vec(vec![0.5; 4], [1, 1, 2, 2])
}

#[test]
fn arguments_have_defaults_and_refuse_nonsense() {
    let args = Args::try_parse_from(["example"]).expect("no argument is needed");
    assert_eq!((args.quick, args.seed, args.out.as_path()), (false, 0, "target/examples".as_ref()));
    assert_eq!(args.pick(100, 10), 100);
    assert!(Args::try_parse_from(["example", "--seed", "minus one"]).is_err());
    assert!(Args::try_parse_from(["example", "--fast"]).is_err());
}

#[test]
fn resuming_is_refused_where_there_is_no_checkpoint() {
    let dir = tempfile::tempdir().expect("a folder");
    let args = Args { resume: true, ..args(dir.path()) };
    let error = Report::new(&args, "som", "digits", "t").expect_err("it starts anew");
    assert_eq!(error.to_string(), "digits: keeps no checkpoint, so there is nothing to --resume");
    assert!(!args.out.exists(), "nothing was made");
    assert!(Report::resumable(&args, "rl", "dqn", "t").is_ok());
}

#[test]
fn counts_are_written_in_groups_of_three() {
    for (count, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (60_000, "60,000"), (1_234_567, "1,234,567")] {
        assert_eq!(thousands(count), text);
    }
}

#[test]
fn the_json_has_every_field_and_the_figures_lie_beside_it() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let args = args(dir.path());
    let mut report = Report::new(&args, "cnn", "lenet", "A title").expect("a writable folder");
    report.about("Trained.", "Look.");
    report.result("accuracy", 0.985, Better::Higher, 0.98);
    report.result("loss", 0.05f32, Better::Lower, 0.06);
    picture::save_grid(report.path("a.png"), &dot(), 1).expect("a writable folder");
    report.figure_png("a.png", "written before").expect("it is there");
    report
        .picture(&Picture::of(&dot().reshape([1, 2, 2])), "b.png", "written by the report")
        .expect("a writable folder");
    report.figure_svg("<svg/>", "c.svg", "a curve").expect("a writable folder");
    report.text("sample", "To be", "a text");
    let path = report.finish().expect("good results");
    assert_eq!(path, args.out.join("cnn-lenet.json"));

    let json: Value = serde_json::from_slice(&std::fs::read(path).expect("just written")).expect("JSON");
    assert_eq!(
        (&json["family"], &json["example"], &json["title"]),
        (&"cnn".into(), &"lenet".into(), &"A title".into())
    );
    assert_eq!(json["about"], serde_json::json!(["Trained.", "Look."]));
    assert_eq!((&json["seed"], &json["quick"]), (&7.into(), &true.into()));
    assert!(json["seconds"].as_f64().is_some_and(|s| s >= 0.0));
    assert_eq!(json["isa"], etude_kernels::isa::current().name());
    assert_eq!(json["threads"], etude_kernels::par::threads());
    let first = serde_json::json!({"metric": "accuracy", "value": 0.985, "better": "higher", "threshold": 0.98});
    assert_eq!(json["results"][0], first);
    assert_eq!(json["results"][1]["better"], "lower");
    let figures = json["figures"].as_array().expect("a list");
    let kinds: Vec<_> = figures.iter().map(|f| f["kind"].as_str().expect("a text")).collect();
    assert_eq!(kinds, ["png", "png", "svg", "text"]);
    for figure in &figures[..3] {
        assert!(args.out.join(figure["file"].as_str().expect("a name")).is_file(), "{figure}");
    }
    assert_eq!((figures[3]["text"].as_str(), figures[3].get("file")), (Some("To be"), None));
    // The folder holds the figures and the JSON, and no temporary file.
    assert_eq!(std::fs::read_dir(&args.out).expect("readable").count(), 4);
}

#[test]
fn a_missed_threshold_is_an_error_that_names_it_and_loses_nothing() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let args = args(dir.path());
    let mut report = Report::new(&args, "cnn", "mlp", "t").expect("a writable folder");
    report.result("accuracy", 0.25, Better::Higher, 0.25);
    report.result("loss", 0.5, Better::Lower, 0.25);
    let error = report.finish().expect_err("the loss is too high");
    assert!(matches!(&error, ReportError::Missed { family, example, .. } if family == "cnn" && example == "mlp"));
    assert_eq!(error.to_string(), "cnn mlp: missed loss 0.5 (≤ 0.25)");
    let json = std::fs::read(args.out.join("cnn-mlp.json")).expect("written all the same");
    let json: Value = serde_json::from_slice(&json).expect("JSON");
    assert_eq!(json["results"].as_array().map(Vec::len), Some(2));
}

#[test]
fn an_unfinished_run_leaves_its_figures_but_no_json_not_even_an_old_one() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let args = args(dir.path());
    let start = || Report::new(&args, "gan", "dcgan", "t").expect("a writable folder");
    let mut report = start();
    report.result("x", 1.0, Better::Higher, 0.0);
    let json = report.finish().expect("a good result");
    let mut report = start();
    report.figure_svg("<svg/>", "c.svg", "").expect("a writable folder");
    let figure = report.path("c.svg");
    report.result("x", f64::NAN, Better::Higher, 0.0);
    let error = report.finish().expect_err("not a number");
    assert!(matches!(&error, ReportError::Result { metric, .. } if metric == "x"), "{error}");
    assert!(!json.exists() && figure.exists());
}

#[test]
fn bad_names_and_repetitions_are_refused() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let args = args(dir.path());
    for bad in ["", "../x", "a/b", ".hidden", "a b"] {
        assert!(matches!(Report::new(&args, bad, "e", "t"), Err(ReportError::Name { .. })), "{bad:?}");
    }
    std::fs::create_dir_all(args.out.join("som-map.json")).expect("a writable folder");
    assert!(Report::new(&args, "som", "map", "t").is_err(), "a folder stands where the JSON belongs");
    let mut report = Report::new(&args, "som", "digits", "t").expect("a writable folder");
    assert!(report.figure_png("absent.png", "").is_err());
    std::fs::write(report.path("broken.png"), b"not a picture").expect("a writable folder");
    assert!(report.figure_png("broken.png", "").expect_err("no PNG").to_string().contains("broken.png"));
    report.figure_svg("<svg/>", "c.svg", "").expect("a writable folder");
    assert!(matches!(report.figure_svg("<svg/>", "c.svg", ""), Err(ReportError::Twice { .. })));
    report.result("x", 1.0, Better::Lower, 2.0);
    report.result("x", 1.0, Better::Lower, 2.0);
    assert!(report.finish().expect_err("two of one name").to_string().contains("twice"));
    let report = Report::new(&args, "som", "digits", "t").expect("a writable folder");
    assert!(matches!(report.finish(), Err(ReportError::NoResult { .. })));
}

#[test]
fn a_checkpoint_of_an_earlier_run_is_kept_only_to_resume() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let report = |resume: bool| {
        let args = Args { resume, ..args(dir.path()) };
        Report::resumable(&args, "rl", "dqn", "t").expect("a writable folder")
    };
    let path = report(false).checkpoint().expect("nothing to remove");
    assert_eq!(path, report(true).path("checkpoint.safetensors"));
    let both = [path.clone(), path.with_file_name("rl-dqn-checkpoint.safetensors.previous")];
    both.iter().for_each(|file| std::fs::write(file, "old").expect("writable"));
    report(true).checkpoint().expect("nothing to do");
    assert!(both.iter().all(|file| file.exists()));
    report(false).checkpoint().expect("ours to remove");
    assert!(both.iter().all(|file| !file.exists()));
}
