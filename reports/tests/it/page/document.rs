//! A page as a parser of browser grade sees it.

use std::fmt::Write as _;

use html5ever::tendril::TendrilSink as _;
use markup5ever_rcdom::{Handle, NodeData, RcDom};

/// A parsed page.
pub(crate) struct Document {
    /// What is wrong with it.
    pub(crate) errors: Vec<String>,
    /// All elements, in order.
    pub(crate) elements: Vec<Element>,
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
    // Only of figures it is asked.
    if let Some(element) = into.get_mut(place).filter(|element| element.name == "figure") {
        element.inside = inside;
    }
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
