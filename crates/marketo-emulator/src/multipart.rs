//! Reading `multipart/form-data`: just enough for a file upload.

use crate::call::unquoted;

/// One part of a form.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Part<'a> {
    pub name: String,
    pub is_file: bool,
    pub body: &'a [u8],
}

/// The parts of a form; none when the content type or the body isn't one.
pub(crate) fn parts<'a>(content_type: &str, body: &'a [u8]) -> Option<Vec<Part<'a>>> {
    let mut parameters = content_type.split(';');
    if !parameters.next()?.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let boundary = parameters
        .find_map(|parameter| parameter.trim().split_once('=').filter(|(name, _)| name.trim().eq_ignore_ascii_case("boundary")))?
        .1;
    let delimiter = format!("--{}", unquoted(boundary)).into_bytes();
    let mut rest = body.get(find(body, &delimiter)? + delimiter.len()..)?;
    let mut parts = Vec::new();
    loop {
        if rest.starts_with(b"--") {
            return Some(parts);
        }
        rest = rest.strip_prefix(b"\r\n").or_else(|| rest.strip_prefix(b"\n"))?;
        let (head, after) = split_head(rest)?;
        let end = find(after, &delimiter)?;
        let content = after.get(..end)?;
        let content = content.strip_suffix(b"\r\n").or_else(|| content.strip_suffix(b"\n")).unwrap_or(content);
        parts.push(part(&String::from_utf8_lossy(head), content)?);
        rest = after.get(end + delimiter.len()..)?;
    }
}

/// Headers and what follows the empty line.
fn split_head(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let (at, width) = find(text, b"\r\n\r\n").map(|at| (at, 4)).or_else(|| find(text, b"\n\n").map(|at| (at, 2)))?;
    Some((text.get(..at)?, text.get(at + width..)?))
}

fn part<'a>(head: &str, body: &'a [u8]) -> Option<Part<'a>> {
    let disposition = head.lines().find(|line| line.to_ascii_lowercase().starts_with("content-disposition:"))?;
    let value = |wanted: &str| {
        let parameters = disposition.split(';').skip(1).filter_map(|parameter| parameter.split_once('='));
        parameters.into_iter().find(|(name, _)| name.trim().eq_ignore_ascii_case(wanted)).map(|(_, value)| unquoted(value).into_owned())
    };
    Some(Part { name: value("name")?, is_file: value("filename").is_some() || value("filename*").is_some(), body })
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    let first = *wanted.first()?;
    let mut from = 0;
    loop {
        let at = from + text.get(from..)?.iter().position(|byte| *byte == first)?;
        if text.get(at..)?.starts_with(wanted) {
            return Some(at);
        }
        from = at + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_form_and_refuses_half_of_one() {
        let body = b"--b1\r\nContent-Disposition: form-data; name=\"format\"\r\n\r\ncsv\r\n--b1\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a;b.csv\"\r\nContent-Type: text/csv\r\n\r\nemail\r\na@x.test\r\n\r\n--b1--\r\n";
        let found = parts("multipart/form-data; boundary=b1", body).unwrap();
        let expected = [
            Part { name: "format".into(), is_file: false, body: b"csv" },
            Part { name: "file".into(), is_file: true, body: b"email\r\na@x.test\r\n" },
        ];
        assert_eq!(found, expected);
        assert_eq!(parts("multipart/form-data; boundary=\"b1\"", &body[..body.len() - 10]), None);
        assert_eq!(parts("text/csv", body), None);
        assert_eq!(parts("multipart/form-data", body), None);
    }
}
