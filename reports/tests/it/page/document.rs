//! A page as a parser of browser grade sees it.

use std::fmt::Write as _;

use html5ever::tendril::TendrilSink as _;
use markup5ever_rcdom::{Handle, NodeData, RcDom};

/// A parsed page.
pub(crate) struct Document {
    /// The errors of its syntax.
    pub(crate) errors: Vec<String>,
    /// All elements, in order.
    pub(crate) elements: Vec<Element>,
}

/// The table of a chart, with what stands below the chart's panels.
#[derive(Debug, Default)]
pub(crate) struct ChartTable {
    /// The id of the figure.
    pub(crate) figure: String,
    /// The title, if it has one.
    pub(crate) title: String,
    pub(crate) head: Vec<String>,
    pub(crate) lines: Vec<Vec<String>>,
    /// Notes, each with the title of its panel; of the figure's first table only.
    pub(crate) notes: Vec<(String, String)>,
}

/// An element of a page.
pub(crate) struct Element {
    pub(crate) name: String,
    pub(crate) attributes: Vec<(String, String)>,
    /// The names of all elements inside.
    pub(crate) inside: Vec<String>,
    /// The text inside, without line breaks.
    text: String,
}

impl Document {
    pub(crate) fn parse(page: &str) -> Self {
        let dom = html5ever::parse_document(RcDom::default(), html5ever::ParseOpts::default()).one(page);
        let errors = dom.errors.borrow().iter().map(ToString::to_string).collect();
        let mut elements = Vec::new();
        collect(&dom.document, &mut elements);
        Self { errors, elements }
    }

    /// Headings, captions, legends and the heads of tables, one a line.
    pub(crate) fn outline(&self) -> String {
        let mut outline = String::new();
        for Element { name, text, attributes, .. } in &self.elements {
            let indent = match name.as_str() {
                "h1" => 0,
                "h2" => 1,
                "h3" => 2,
                "h4" | "figcaption" | "thead" => 3,
                "ul" if attributes.iter().any(|(_, value)| value == "legend") => 3,
                _ => continue,
            };
            writeln!(outline, "{}{name}: {text}", "  ".repeat(indent)).unwrap();
        }
        outline
    }
}

fn collect(node: &Handle, into: &mut Vec<Element>) {
    let place = into.len();
    if let NodeData::Element { name, attrs, .. } = &node.data {
        let attributes = attrs.borrow();
        let attributes = attributes
            .iter()
            .map(|attribute| (attribute.name.local.to_string(), attribute.value.to_string()));
        let mut text = String::new();
        gather(node, &mut text);
        into.push(Element {
            name: name.local.to_string(),
            attributes: attributes.collect(),
            inside: Vec::new(),
            text: text.split_whitespace().collect::<Vec<_>>().join(" "),
        });
    }
    for child in node.children.borrow().iter() {
        collect(child, into);
    }
    let inside: Vec<_> = into.iter().skip(place + 1).map(|element| element.name.clone()).collect();
    // Only tests of figures need it.
    if let Some(element) = into.get_mut(place).filter(|element| element.name == "figure") {
        element.inside = inside;
    }
}

/// The tables of all charts of a page.
pub(crate) fn charts(page: &str) -> Vec<ChartTable> {
    let dom = html5ever::parse_document(RcDom::default(), html5ever::ParseOpts::default()).one(page);
    let mut charts = Vec::new();
    collect_charts(&dom.document, &mut charts);
    charts
}

/// Adds the tables of all figures in a part of the page.
fn collect_charts(node: &Handle, into: &mut Vec<ChartTable>) {
    if name(node) != "figure" {
        return node.children.borrow().iter().for_each(|child| collect_charts(child, into));
    }
    let notes = notes(node);
    let tables = tables(&all(node, "details")[0]);
    into.extend(tables.into_iter().enumerate().map(|(nth, table)| ChartTable {
        figure: attribute(node, "id"),
        notes: if nth == 0 { notes.clone() } else { Vec::new() },
        ..table
    }));
}

fn tables(details: &Handle) -> Vec<ChartTable> {
    // Either every table of a figure has a title before it, or there is one without.
    let titles = all(details, "h4").iter().map(text).chain([String::new()]).collect::<Vec<_>>();
    let table = |(node, title): (Handle, String)| {
        let mut lines = all(&node, "tr").into_iter().map(|line| {
            let cells = line.children.borrow();
            cells.iter().filter(|cell| ["th", "td"].contains(&name(cell).as_str())).map(text).collect()
        });
        let head = lines.next().unwrap_or_default();
        ChartTable { title, head, lines: lines.collect(), ..ChartTable::default() }
    };
    all(details, "table").into_iter().zip(titles).map(table).collect()
}

/// The notes below the panels, with the panels' titles.
fn notes(figure: &Handle) -> Vec<(String, String)> {
    let panels = all(figure, "div").into_iter().filter(|part| attribute(part, "class") == "panel");
    let notes = panels.flat_map(|panel| {
        let title = text(&all(&panel, "h4")[0]);
        all(&panel, "li").into_iter().map(move |note| (title.clone(), text(&note)))
    });
    notes.collect()
}

/// All elements of a name inside of a part of the page.
fn all(node: &Handle, wanted: &str) -> Vec<Handle> {
    let mut found = Vec::new();
    for child in node.children.borrow().iter() {
        if name(child) == wanted {
            found.push(child.clone());
        }
        found.extend(all(child, wanted));
    }
    found
}

fn name(node: &Handle) -> String {
    match &node.data {
        NodeData::Element { name, .. } => name.local.to_string(),
        _ => String::new(),
    }
}

fn attribute(node: &Handle, wanted: &str) -> String {
    let NodeData::Element { attrs, .. } = &node.data else { return String::new() };
    let attributes = attrs.borrow();
    let found = attributes.iter().find(|attribute| &*attribute.name.local == wanted);
    found.map(|attribute| attribute.value.to_string()).unwrap_or_default()
}

fn text(node: &Handle) -> String {
    let mut gathered = String::new();
    gather(node, &mut gathered);
    // Thin spaces group digits and stay.
    gathered.split([' ', '\n']).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

fn gather(node: &Handle, text: &mut String) {
    match &node.data {
        NodeData::Text { contents } => text.push_str(&contents.borrow()),
        NodeData::Element { name, .. } if &*name.local == "svg" => {}
        _ => node.children.borrow().iter().for_each(|child| {
            gather(child, text);
            text.push(' ');
        }),
    }
}
