//! Comma-, tab- and semicolon-separated files, for imports and extracts.

/// The format of a bulk file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Csv,
    Tsv,
    Ssv,
}

impl Format {
    pub(crate) fn of(name: &str) -> Option<Self> {
        let known = [("csv", Self::Csv), ("tsv", Self::Tsv), ("ssv", Self::Ssv)];
        known.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, format)| format)
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Csv => "CSV",
            Self::Tsv => "TSV",
            Self::Ssv => "SSV",
        }
    }

    /// A semicolon for SSV: one of Adobe's pages says so, another says a blank.
    const fn separator(self) -> u8 {
        match self {
            Self::Csv => b',',
            Self::Tsv => b'\t',
            Self::Ssv => b';',
        }
    }

    pub(crate) const fn media_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv;charset=UTF-8",
            Self::Tsv => "text/tab-separated-values;charset=UTF-8",
            Self::Ssv => "text/plain;charset=UTF-8",
        }
    }
}

/// Every line of a file, the header first. Lines may have fewer or more cells than the header.
pub(crate) fn lines(format: Format, bytes: &[u8]) -> Vec<Vec<String>> {
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).delimiter(format.separator()).from_reader(bytes);
    let records = reader.byte_records().map_while(Result::ok);
    records.map(|record| record.iter().map(|cell| String::from_utf8_lossy(cell).into_owned()).collect()).collect()
}

/// A file of these lines.
pub(crate) struct Sheet(csv::Writer<Vec<u8>>);

impl Sheet {
    pub(crate) fn new(format: Format) -> Self {
        let terminator = csv::Terminator::Any(b'\n');
        Self(csv::WriterBuilder::new().flexible(true).delimiter(format.separator()).terminator(terminator).from_writer(Vec::new()))
    }

    pub(crate) fn line<T: AsRef<[u8]>>(&mut self, cells: impl IntoIterator<Item = T>) {
        // Writing into memory doesn't fail.
        let _ = self.0.write_record(cells);
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.0.into_inner().unwrap_or_default()
    }
}
