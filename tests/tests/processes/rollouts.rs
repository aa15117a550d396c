//! Versions that take over: by people, by themselves, and who is told.

mod gates;
mod remediation;
mod steering;
mod webhook;
