//! Claims as text, and what is refused of it.

use isolab_reports::claims::{self, Claim, ClaimError};

const SOURCE: &str = "[sources.s]\nauthor = 'A'\ntitle = 'T'\nchecked = 'primary'\n";

/// A quantity that most claims here measure.
pub(crate) const START: &str =
    "{ executor = 'wasm', function = 'hello', variant = 'rust', figure = 'start_p50' }";

pub(crate) fn claim(id: &str, rest: &str) -> String {
    format!("[[claim]]\nid = '{id}'\nsays = 'It is so.'\nsource = 's'\nconditions = 'none'\n{rest}\n")
}

/// Reads claims, all of one source.
pub(crate) fn parse(claims: &str) -> Result<Vec<Claim>, ClaimError> {
    claims::parse(&(SOURCE.to_owned() + claims))
}

#[test]
fn a_bad_claim_is_refused_by_its_id_and_with_the_reason() {
    let refused = |rest: &str, reason: &str| {
        let error = parse(&claim("a-claim", rest)).unwrap_err().to_string();
        assert!(error.contains("`a-claim`") && error.contains(reason), "{error}");
    };
    let published = "published = { unit = 'ns', about = 5.0, within = 2.0 }";
    let measure = format!("measure = [{START}]");
    refused("", "a `published` number");
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
        ("unit = 'ns', about = -1.0, within = 2.0", "above zero"),
        ("unit = 'ns', between = [2.0, 1.0]", "lower end first"),
        ("unit = 'ns', below = 0.0", "above zero"),
        ("unit = 'ns', at_least = nan", "above zero"),
        ("unit = 'ns', at_least = 0.0", "above zero"),
    ] {
        refused(&format!("published = {{ {published} }}\n{measure}"), reason);
    }
    let twice = claim("a", "absent = 'no'").repeat(2);
    assert!(parse(&twice).unwrap_err().to_string().contains("another claim"));
    let stranger = claim("a", "absent = 'no'").replace("'s'", "'t'");
    assert!(parse(&stranger).unwrap_err().to_string().contains("no source `t`"));
    let unnamed = claim("A claim", "absent = 'no'");
    assert!(parse(&unnamed).unwrap_err().to_string().contains("hyphens"));
    let unknown = parse(&claim("a", "colour = 'red'")).unwrap_err();
    assert!(matches!(unknown, ClaimError::Form(_)) && unknown.to_string().contains("colour"), "{unknown}");
}
