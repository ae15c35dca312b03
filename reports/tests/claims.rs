//! Published claims: the data file, the rule, and what it looks like.

use std::collections::BTreeSet;
use std::path::Path;

use isolab_reports::Experiment;
use isolab_reports::claims::{self, Answer, Checked, Claim, ClaimError, Need, Quantity, Tally, Verdict};
use isolab_reports::row::Cold;
use isolab_reports::run::{Prices, SCHEMA_VERSION, Selection};
use isolab_reports::{Cell, ExecutorInfo, Row, Run, RunFolder, RunStatus, Status, Summary};
use serde_json::{Map, Value};

fn all() -> Vec<Claim> {
    claims::all().unwrap()
}

fn quantities(claims: &[Claim]) -> impl Iterator<Item = &Quantity> {
    claims.iter().flat_map(|claim| match &claim.answer {
        Answer::Measured { measure, over } => measure.iter().chain(over).collect::<Vec<_>>(),
        Answer::Absent(_) => Vec::new(),
    })
}

#[test]
fn the_data_file_is_read_and_tells_all_that_a_reader_needs() {
    let claims = all();
    let ids: BTreeSet<_> = claims.iter().map(|claim| &claim.id).collect();
    assert_eq!(ids.len(), claims.len());
    for claim in &claims {
        assert!(claim.says.ends_with('.') && !claim.conditions.is_empty(), "{}", claim.id);
        assert!(!claim.source.author.is_empty() && !claim.source.title.is_empty(), "{}", claim.id);
        if let Answer::Absent(reason) = &claim.answer {
            assert!(!reason.is_empty(), "{}", claim.id);
        }
    }
}

#[test]
fn the_tables_of_the_thesis_are_there_in_full() {
    // Three tables of five engines each.
    for table in ["fibonacci-32", "fibonacci-40", "blake3"] {
        for engine in ["wasmtime", "wasmer", "node", "wasmedge", "wasm3"] {
            let id = format!("thesis-{table}-{engine}");
            assert_eq!(all().iter().filter(|claim| claim.id == id).count(), 1, "{id}");
        }
    }
}

/// Every line that marks a lap, in the executors' sources.
fn marks() -> Vec<String> {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("../runners")];
    let mut marks = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("target") {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(path).unwrap();
                marks.extend(text.lines().filter(|line| line.contains("laps.mark(")).map(str::to_owned));
            }
        }
    }
    marks
}

/// Whether rows that follow the table in `row.rs` come to a figure of this name.
fn is_produced(quantity: &Quantity) -> bool {
    let folder = folder(std::slice::from_ref(quantity));
    let summary = Summary::of(&folder);
    let figures = &summary.groups[0].models[0];
    quantity.pick(figures).is_some()
}

#[test]
fn every_figure_that_is_asked_for_can_be_made() {
    let (claims, marks) = (all(), marks());
    for quantity in quantities(&claims) {
        assert!(is_produced(quantity), "{quantity}");
        let subject = quantity.figure.split('_').next().unwrap();
        if let Some((_, lap)) = subject.split_once('.') {
            let lap = format!("\"{lap}\"");
            assert!(marks.iter().any(|line| line.contains(&lap)), "{quantity}");
        }
    }
    let misnamed = |figure: &str| Quantity {
        figure: figure.into(),
        ..quantities(&claims).find(|quantity| quantity.figure == "start_p50").unwrap().clone()
    };
    for figure in ["start_p51", "start", "memory_slop", "load_rates", "prepare.load_p99"] {
        assert!(!is_produced(&misnamed(figure)), "{figure}");
    }
}

#[test]
fn every_function_that_is_asked_for_is_there_with_its_variant() {
    for quantity in quantities(&all()) {
        let folder = format!("{}/../functions/{}", env!("CARGO_MANIFEST_DIR"), quantity.function);
        let manifest = std::fs::read_to_string(format!("{folder}/function.toml")).unwrap();
        let like = manifest.lines().find_map(|line| line.strip_prefix("like = "));
        let code = like.map_or(folder.clone(), |like| format!("{folder}/{}", like.trim_matches('"')));
        let file = if quantity.variant == "js" { "handler.js" } else { "Cargo.toml" };
        assert!(Path::new(&code).join(file).is_file(), "{quantity}");
    }
}

#[test]
fn needs_name_each_cell_and_experiment_once() {
    let needs = claims::needs(&all());
    let need = |executor: &str, function: &str, variant: &str, reuse: Option<&str>, experiment| Need {
        executor: executor.into(),
        function: function.into(),
        variant: variant.into(),
        reuse: reuse.map(Into::into),
        experiment,
    };
    for expected in [
        need("wasm", "hello", "rust", None, Experiment::Startup),
        need("wasm", "hello", "rust", Some("fresh"), Experiment::Load),
        need("docker", "hello", "rust", None, Experiment::Memory),
        need("direct", "claims/fibonacci-40", "rust", Some("warm"), Experiment::Startup),
    ] {
        assert_eq!(needs.iter().filter(|need| **need == expected).count(), 1, "{expected:?}");
    }
    let unique: BTreeSet<_> = needs.iter().collect();
    assert_eq!(unique.len(), needs.len());
    let absent: Vec<_> =
        all().into_iter().filter(|claim| matches!(claim.answer, Answer::Absent(_))).collect();
    assert_eq!(claims::needs(&absent), []);
}

const SOURCE: &str = "[sources.s]\nauthor = 'A'\ntitle = 'T'\nchecked = 'primary'\n";

fn claim(id: &str, rest: &str) -> String {
    format!("[[claim]]\nid = '{id}'\nsays = 'It is so.'\nsource = 's'\nconditions = 'none'\n{rest}\n")
}

const START: &str = "{ executor = 'wasm', function = 'hello', variant = 'rust', figure = 'start_p50' }";

#[test]
fn a_bad_claim_is_refused_by_its_id_and_with_the_reason() {
    let refused = |rest: &str, reason: &str| {
        let error = claims::parse(&(SOURCE.to_owned() + &claim("a-claim", rest))).unwrap_err().to_string();
        assert!(error.contains("`a-claim`") && error.contains(reason), "{error}");
    };
    let published = "published = { unit = 'ns', about = 5.0, within = 2.0 }";
    let measure = format!("measure = [{START}]");
    refused("", "something `published`");
    refused(published, "`measure` or `absent`");
    refused(&format!("{published}\n{measure}\nabsent = 'no'"), "excludes");
    refused(&format!("{published}\n{measure}\nover = {START}"), "`ratio`");
    refused(&published.replace("ns", "ratio").replace("publ", &format!("{measure}\npubl")), "`ratio`");
    refused(
        &format!("{}\nmeasure = [{START}, {START}]\nover = {START}", published.replace("ns", "ratio")),
        "sum",
    );
    refused(&format!("{published}\n{}", measure.replace("start", "strat")), "no experiment");
    for (published, reason) in [
        ("unit = 'ns'", "one of"),
        ("unit = 'ns', about = 1.0, below = 2.0, within = 1.0", "one of"),
        ("unit = 'ns', about = 1.0", "needs `within`"),
        ("unit = 'ns', about = 1.0, within = 0.5", "1 or more"),
        ("unit = 'ns', about = -1.0, within = 2.0", "more than nothing"),
        ("unit = 'ns', between = [2.0, 1.0]", "lower end first"),
        ("unit = 'ns', below = 0.0", "more than nothing"),
        ("unit = 'ns', at_least = nan", "more than nothing"),
        ("unit = 'ns', at_least = 0.0", "more than nothing"),
    ] {
        refused(&format!("published = {{ {published} }}\n{measure}"), reason);
    }
    let twice = SOURCE.to_owned() + &claim("a", "absent = 'no'") + &claim("a", "absent = 'no'");
    assert!(claims::parse(&twice).unwrap_err().to_string().contains("another claim"));
    let stranger = claim("a", "absent = 'no'").replace("'s'", "'t'");
    assert!(
        claims::parse(&(SOURCE.to_owned() + &stranger)).unwrap_err().to_string().contains("no source `t`")
    );
    let unnamed = claim("A claim", "absent = 'no'");
    assert!(claims::parse(&(SOURCE.to_owned() + &unnamed)).unwrap_err().to_string().contains("hyphens"));
    let unknown = claims::parse(&(SOURCE.to_owned() + &claim("a", "colour = 'red'"))).unwrap_err();
    assert!(matches!(unknown, ClaimError::Form(_)) && unknown.to_string().contains("colour"), "{unknown}");
}

/// What one claim about the start on wasm comes to, with these starts in one repetition.
fn verdict(published: &str, starts: &[u64]) -> Verdict {
    let text = claim("a", &format!("published = {{ unit = 'ns', {published} }}\nmeasure = [{START}]"));
    let claims = claims::parse(&(SOURCE.to_owned() + &text)).unwrap();
    let mut folder = folder(&quantities(&claims).cloned().collect::<Vec<_>>());
    folder.rows = starts
        .iter()
        .zip(0..)
        .map(|(value, sample)| Row {
            sample,
            value: *value,
            ..row("wasm", "hello", "rust", "start", "duration_ns")
        })
        .collect();
    claims::check(&claims, &Summary::of(&folder)).remove(0).verdict
}

#[test]
fn the_rule_at_its_borders() {
    // Twenty equal starts have an interval without width.
    let at = |published: &str, value| verdict(published, &[value; 20]);
    let (yes, no) = (Verdict::Reproduced, Verdict::NotReproduced);
    for (published, least, greatest) in
        [("about = 100.0, within = 2.0", 50, 200), ("between = [100.0, 300.0]", 100, 300)]
    {
        assert_eq!([at(published, least), at(published, greatest)], [yes.clone(), yes.clone()]);
        assert_eq!([at(published, least - 1), at(published, greatest + 1)], [no.clone(), no.clone()]);
    }
    assert_eq!([at("below = 100.0", 1), at("below = 100.0", 100)], [yes.clone(), yes.clone()]);
    assert_eq!(at("below = 100.0", 101), no);
    assert_eq!([at("at_least = 100.0", 100), at("at_least = 100.0", 100_000)], [yes.clone(), yes.clone()]);
    assert_eq!(at("at_least = 100.0", 99), no);
    assert_eq!(
        [at("at_least = 100.0, within = 2.0", 50), at("below = 100.0, within = 2.0", 200)],
        [yes.clone(), yes]
    );
}

#[test]
fn it_is_the_interval_that_must_meet_the_range() {
    // The median is 110, and its interval reaches down to below 105.
    let scattered: Vec<u64> = (0..21).map(|place| 100 + place).collect();
    assert_eq!(verdict("below = 108.0", &scattered), Verdict::Reproduced);
    assert_eq!(verdict("below = 99.0", &scattered), Verdict::NotReproduced);
    // Of a single sample there is no interval, and the value stands for it.
    assert_eq!(verdict("below = 108.0", &[110]), Verdict::NotReproduced);
    assert_eq!(verdict("below = 110.0", &[110]), Verdict::Reproduced);
}

#[test]
fn what_the_run_lacks_is_not_measurable_with_the_runs_reason() {
    let quantity = |executor: &str| START.replace("wasm", executor);
    let text = SOURCE.to_owned()
        + &["wasm", "docker", "v8", "direct"]
            .map(|executor| {
                let published = "published = { unit = 'ns', below = 1e9 }";
                claim(executor, &format!("{published}\nmeasure = [{}]", quantity(executor)))
            })
            .concat();
    let claims = claims::parse(&text).unwrap();
    let mut folder = folder(&quantities(&claims).cloned().collect::<Vec<_>>());
    folder.run.executors.retain(|info| info.name != "direct");
    for info in folder.run.executors.iter_mut().filter(|info| info.name == "docker") {
        info.unavailable = Some("no Docker engine answers".into());
    }
    for cell in folder.run.cells.iter_mut().filter(|cell| cell.executor.starts_with("v8")) {
        (cell.status, cell.reason) = (Status::Failed, Some("body `a`\ninstead of `b`".into()));
    }
    let reasons = |folder: &RunFolder| {
        claims::check(&claims, &Summary::of(folder)).into_iter().map(|one| one.verdict).collect::<Vec<_>>()
    };
    let not = |reason: &str| Verdict::NotMeasurable(reason.into());
    assert_eq!(
        reasons(&folder),
        [
            Verdict::Reproduced,
            not("`docker`: no Docker engine answers"),
            not("`v8`: body `a` instead of `b`"),
            not("the run was without the executor `direct`"),
        ]
    );
    folder.rows.clear();
    assert_eq!(reasons(&folder)[0], not("the run has no `start_p50` of `hello` rust on `wasm`"));
    folder.run.cells.iter_mut().for_each(|cell| (cell.status, cell.reason) = (Status::Pending, None));
    assert_eq!(reasons(&folder)[0], not("`wasm`: not reached before the run ended"));
}

#[test]
fn a_unit_that_does_not_fit_is_told_and_not_judged() {
    let text = claim("a", &format!("published = {{ unit = 'bytes', below = 1e9 }}\nmeasure = [{START}]"));
    let claims = claims::parse(&(SOURCE.to_owned() + &text)).unwrap();
    let folder = folder(&quantities(&claims).cloned().collect::<Vec<_>>());
    let checked = claims::check(&claims, &Summary::of(&folder));
    assert_eq!(checked[0].verdict, Verdict::NotMeasurable("`start_p50` is counted in ns".into()));
}

#[test]
fn of_several_connections_the_best_rate_answers() {
    let rate = START.replace("start_p50'", "load_rate', reuse = 'fresh'");
    let text = claim(
        "a",
        &format!("published = {{ unit = 'per_s', about = 3000, within = 1 }}\nmeasure = [{rate}]"),
    );
    let claims = claims::parse(&(SOURCE.to_owned() + &text)).unwrap();
    let mut folder = folder(&[]);
    folder.run = run(&quantities(&claims).cloned().collect::<Vec<_>>());
    for (connections, responses) in [(1, 1_000), (8, 3_000), (32, 2_000)] {
        for sample in 0..5 {
            for (metric, value) in [("responses_count", responses), ("duration_ns", 1_000_000_000)] {
                let row = row("wasm", "hello", "rust", "load", metric);
                let (reuse, connections) = (Some("fresh".into()), Some(connections));
                folder.rows.push(Row { sample, value, reuse, connections, ..row });
            }
        }
    }
    let checked = claims::check(&claims, &Summary::of(&folder));
    assert_eq!(checked[0].verdict, Verdict::Reproduced, "{checked:?}");
}

/// All claims over a run that has everything but `v8`, and `docker` under another runtime.
fn checked() -> Vec<Checked> {
    let claims = all();
    let mut folder = folder(&quantities(&claims).cloned().collect::<Vec<_>>());
    for info in &mut folder.run.executors {
        if info.name.starts_with("v8") {
            info.unavailable = Some("the V8 library is not compiled in".into());
        } else if info.name.contains("runsc") {
            info.unavailable = Some("Docker knows no runtime `runsc`".into());
        }
    }
    claims::check(&claims, &Summary::of(&folder))
}

#[test]
fn the_tables() {
    let checked = checked();
    assert!(
        checked.iter().all(|one| one.measured.is_some() != matches!(one.verdict, Verdict::NotMeasurable(_)))
    );
    insta::assert_snapshot!("claims_in_markdown", claims::markdown(&checked));
    insta::assert_snapshot!("claims_in_a_terminal", claims::table(&checked, None));
    for grid in claims::grids(&checked).grids {
        assert!(grid.lines.iter().all(|line| line.len() == grid.head.len()), "{grid:?}");
    }
    assert_eq!(claims::grids(&[]).grids, []);
}

#[test]
fn the_json_has_every_claim_with_its_verdict() {
    let checked = checked();
    let json: Value = serde_json::from_str(&claims::json(&checked, "a run")).unwrap();
    let tally = Tally::of(&checked);
    let of = |verdict: &str| {
        let claims = json["claims"].as_array().unwrap().iter();
        claims.filter(|claim| claim["verdict"] == verdict).count()
    };
    assert_eq!(of("reproduced"), tally.reproduced);
    assert_eq!(of("not_reproduced"), tally.not_reproduced);
    assert_eq!(of("not_measurable"), tally.not_measurable);
    assert_eq!(tally.reproduced + tally.not_reproduced + tally.not_measurable, checked.len());
    assert!(tally.reproduced > 0 && tally.not_reproduced > 0 && tally.not_measurable > 0);
    assert_eq!(json["run"], "a run");
    insta::assert_snapshot!("a_claim_in_json", serde_json::to_string_pretty(&json["claims"][0]).unwrap());
}

/// A run with a row for each of these quantities, by the table in `row.rs`. The numbers
/// are made up.
fn folder(quantities: &[Quantity]) -> RunFolder {
    let mut rows: Vec<Row> = Vec::new();
    for quantity in quantities {
        for repetition in 0..2 {
            let made = rows_of(quantity).into_iter().map(|row| Row { repetition, ..row });
            for row in made {
                if !rows.contains(&row) {
                    rows.push(row);
                }
            }
        }
    }
    RunFolder { run: run(quantities), rows }
}

fn row(executor: &str, function: &str, variant: &str, phase: &str, metric: &str) -> Row {
    Row {
        executor: executor.into(),
        function: function.into(),
        variant: variant.into(),
        phase: phase.into(),
        metric: metric.into(),
        build: "dev".into(),
        ..Row::default()
    }
}

/// How much slower, or larger, than native everything is in an executor.
fn factor(executor: &str) -> u64 {
    match executor.split(':').next() {
        Some("direct") => 100,
        Some("wasm") => 135,
        Some("v8") => 140,
        _ => 2_000,
    }
}

fn rows_of(quantity: &Quantity) -> Vec<Row> {
    let Quantity { executor, variant, figure, .. } = quantity;
    let (subject, _) = figure.split_once('_').unwrap_or((figure, ""));
    let at = |metric: &str, value: u64| Row {
        value,
        reuse: quantity.reuse.clone(),
        cold: quantity.cold.filter(|_| subject == "response"),
        cached: quantity.cached,
        uses: (quantity.cold == Some(Cold::Instance)).then_some(1),
        ..row(executor, quantity.function_name(), variant, subject, metric)
    };
    let factor = factor(executor);
    let mut rows = Vec::new();
    match subject {
        "memory" => {
            for live in [1, 2, 4] {
                let live_instances = Some(live);
                let metrics = [
                    ("pss_bytes", 2_000),
                    ("private_bytes", 1_800),
                    ("model_bytes", 1_000),
                    ("cgroup_bytes", 3_000),
                    ("helpers_pss_bytes", 2_500),
                ];
                rows.extend(metrics.map(|(metric, bytes)| {
                    let value = 1_000_000 + live * bytes * factor;
                    Row { live_instances, invocations: Some(1), reuse: None, ..at(metric, value) }
                }));
            }
        }
        "load" => {
            for sample in 0..3 {
                let metrics =
                    [("responses_count", 4_000_000 / factor + sample), ("duration_ns", 1_000_000_000)];
                rows.extend(metrics.map(|(metric, value)| Row {
                    sample,
                    connections: Some(8),
                    ..at(metric, value)
                }));
            }
        }
        _ => {
            for sample in 0..8 {
                let uses = if quantity.reuse.is_some() { Some(sample + 2) } else { at("", 0).uses };
                rows.push(Row { sample, uses, ..at("duration_ns", 90 * factor + sample) });
            }
        }
    }
    rows
}

fn run(quantities: &[Quantity]) -> Run {
    let executors: BTreeSet<_> = quantities.iter().map(|quantity| &quantity.executor).collect();
    let blocks: BTreeSet<_> = quantities
        .iter()
        .map(|quantity| (&quantity.executor, quantity.function_name(), &quantity.variant))
        .collect();
    let cells = blocks.into_iter().flat_map(|(executor, function, variant)| {
        ["fresh", "warm"].map(|reuse| Cell {
            executor: executor.clone(),
            function: function.into(),
            variant: variant.clone(),
            reuse: reuse.into(),
            twin: false,
            status: Status::Ok,
            reason: None,
        })
    });
    Run {
        schema: SCHEMA_VERSION,
        id: "2026-11-22T120000Z".into(),
        status: RunStatus::Complete,
        command: vec!["isolab".into(), "reproduce".into()],
        seed: 7,
        started: "2026-11-22T12:00:00Z".into(),
        ended: None,
        preset: Map::new(),
        machine: Map::new(),
        build: Map::new(),
        executors: executors
            .into_iter()
            .map(|spec| ExecutorInfo {
                name: spec.clone(),
                spec: spec.clone(),
                model: if spec == "direct" { "none" } else { "a model" }.into(),
                versions: Vec::new(),
                unavailable: None,
            })
            .collect(),
        cells: cells.collect(),
        notes: Vec::new(),
        host_warnings: Vec::new(),
        prices: Prices {
            per_cpu_second: 0.000_02,
            per_gib_second: 0.000_002,
            currency: "USD".into(),
            source: "a price list".into(),
        },
        selection: Selection::default(),
        blocks_done: vec![0],
    }
}
