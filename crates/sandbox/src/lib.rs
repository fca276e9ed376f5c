//! Emulators of Marketo and Dataverse, written from the vendors' documents.
