//! Whether the rules notice what must not be.
