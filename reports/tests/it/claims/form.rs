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

/// A published number that a claim may have.
const PUBLISHED: &str = "published = { unit = 'ns', about = 5.0, within = 2.0 }";

/// An answer that a claim may have instead of a figure.
pub(crate) const CANNOT: &str = "cannot = { kind = 'engine', takes = 'another engine' }";

#[test]
fn a_bad_claim_is_refused_by_its_id_and_with_the_reason() {
    let refused = |rest: &str, reason: &str| {
        let error = parse(&claim("a-claim", rest)).unwrap_err().to_string();
        assert!(error.contains("`a-claim`") && error.contains(reason), "{error}");
    };
    let measure = format!("measure = [{START}]");
    let ratio = PUBLISHED.replace("ns", "ratio").replace("2.0 }", "2.0, better = 'less' }");
    refused(PUBLISHED, "`measure` or `cannot`");
    refused(&format!("{PUBLISHED}\n{measure}\n{CANNOT}"), "excludes");
    refused(&format!("{PUBLISHED}\n{measure}\nover = {START}"), "`ratio`");
    refused(&format!("{ratio}\n{measure}"), "`ratio`");
    refused(&format!("{ratio}\nmeasure = [{START}, {START}]\nover = {START}"), "sum");
    refused(&format!("{PUBLISHED}\n{}", measure.replace("start", "strat")), "no experiment");
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
        ("unit = 'ns', below = 1.0, better = 'less'", "leave out `better`"),
        ("unit = 'ratio', below = 1.0", "needs `better`"),
    ] {
        refused(&format!("published = {{ {published} }}\n{measure}"), reason);
    }
    let good = format!("{PUBLISHED}\n{CANNOT}");
    let twice = claim("a", &good).repeat(2);
    assert!(parse(&twice).unwrap_err().to_string().contains("another claim"));
    let stranger = claim("a", &good).replace("'s'", "'t'");
    assert!(parse(&stranger).unwrap_err().to_string().contains("no source `t`"));
    let unnamed = claim("A claim", &good);
    assert!(parse(&unnamed).unwrap_err().to_string().contains("hyphens"));
    let form = |text: &str, word: &str| {
        let error = parse(text).unwrap_err();
        assert!(matches!(error, ClaimError::Form(_)) && error.to_string().contains(word), "{error}");
    };
    form(&claim("a", "colour = 'red'"), "colour");
    form(&claim("a", CANNOT), "published");
    form(&claim("a", &good).replace("'engine'", "'luck'"), "luck");
}
