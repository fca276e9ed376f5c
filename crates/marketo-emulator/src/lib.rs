//! An emulator of the Marketo Engage REST API, written from Adobe's documents.
