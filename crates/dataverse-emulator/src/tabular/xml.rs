//! The little of XML that FetchXML needs: elements, attributes, text, comments. No namespaces, no document types.

/// An element.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Element {
    pub name: String,
    pub attributes: Vec<(String, String)>,
    pub children: Vec<Element>,
    pub text: String,
}

/// Deeper nesting than anyone writes, and shallow enough for the stack.
const DEPTH_MAX: usize = 40;

impl Element {
    /// An attribute's value.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// Whether an attribute says yes.
    pub(crate) fn flag(&self, name: &str) -> bool {
        matches!(self.get(name), Some("true" | "1"))
    }

    /// Its children of this name.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Element> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// Reads a document; none when it isn't well-formed.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let mut reader = Reader { rest: text };
        reader.skip();
        let root = reader.element(0)?;
        reader.skip();
        reader.rest.is_empty().then_some(root)
    }
}

struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    /// Passes blanks, comments and declarations over.
    fn skip(&mut self) {
        loop {
            self.rest = self.rest.trim_start();
            let end = if self.rest.starts_with("<!--") {
                self.rest.find("-->").map(|at| at + 3)
            } else if self.rest.starts_with("<?") {
                self.rest.find("?>").map(|at| at + 2)
            } else {
                return;
            };
            self.rest = end.and_then(|end| self.rest.get(end..)).unwrap_or_default();
        }
    }

    fn eat(&mut self, token: &str) -> bool {
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn name(&mut self) -> Option<&'a str> {
        let end = self.rest.find(|char: char| !(char.is_alphanumeric() || "_-.:".contains(char))).unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at_checked(end)?;
        self.rest = rest;
        (!name.is_empty()).then_some(name)
    }

    fn element(&mut self, depth: usize) -> Option<Element> {
        if depth > DEPTH_MAX || !self.eat("<") {
            return None;
        }
        let mut element = Element { name: self.name()?.to_owned(), ..Element::default() };
        loop {
            self.rest = self.rest.trim_start();
            if self.eat("/>") {
                return Some(element);
            }
            if self.eat(">") {
                break;
            }
            let name = self.name()?.to_owned();
            self.rest = self.rest.trim_start();
            if !self.eat("=") {
                return None;
            }
            self.rest = self.rest.trim_start();
            let quote = self.rest.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
            let (value, rest) = self.rest.get(1..)?.split_once(quote)?;
            self.rest = rest;
            element.attributes.push((name, plain(value)?));
        }
        loop {
            let end = self.rest.find('<')?;
            let (text, rest) = self.rest.split_at_checked(end)?;
            element.text.push_str(&plain(text)?);
            self.rest = rest;
            if self.eat("</") {
                let closed = self.name()? == element.name;
                self.rest = self.rest.trim_start();
                return (closed && self.eat(">")).then_some(element);
            }
            if self.rest.starts_with("<!--") {
                self.skip();
            } else {
                element.children.push(self.element(depth + 1)?);
            }
        }
    }
}

/// A text without entities.
fn plain(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        out.push_str(before);
        let (entity, after) = after.split_once(';')?;
        out.push(match entity {
            "lt" => '<',
            "gt" => '>',
            "amp" => '&',
            "quot" => '"',
            "apos" => '\'',
            other => {
                let digits = other.strip_prefix('#')?;
                let code = digits.strip_prefix(['x', 'X']).map_or_else(|| digits.parse().ok(), |hex| u32::from_str_radix(hex, 16).ok());
                char::from_u32(code?)?
            }
        });
        rest = after;
    }
    out.push_str(rest);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_read_with_its_attributes_texts_and_entities() {
        let text = "<?xml version='1.0'?><!-- a --><fetch top=\"5\"><entity name='a&lt;b'><value>x &amp; &#233;</value><!-- c --><b/></entity></fetch>";
        let read = Element::read(text).unwrap();
        let entity = &read.children[0];
        assert_eq!((read.get("top"), entity.get("name"), entity.children[0].text.as_str()), (Some("5"), Some("a<b"), "x & é"));
        assert_eq!(entity.all("b").count(), 1);
    }

    #[test]
    fn what_is_not_well_formed_is_refused_and_never_a_panic() {
        for text in
            ["", "<", "<a", "<a>", "<a></b>", "<a b></a>", "<a b='1></a>", "<a>&nope;</a>", "<a/><b/>", "é<a/>", &"<a>".repeat(5000)]
        {
            assert_eq!(Element::read(text), None, "{text}");
        }
    }
}
