//! An emulator of the Dataverse Web API, written from Microsoft's documents.
