//! One flag for each setting, made from the table.

use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};

use crate::settings::{
    definition::{DEFINITIONS, Definition},
    kind::Kind,
    place::{Place, RawSetting},
};

/// The flags that were given, as text: keys with their values.
#[derive(Clone, Debug, Default)]
pub(crate) struct SettingFlags(Vec<(&'static str, String)>);

impl SettingFlags {
    pub(in crate::settings) fn given(&self) -> impl Iterator<Item = RawSetting> {
        self.0.iter().filter_map(|(key, text)| {
            let definition = DEFINITIONS.iter().find(|definition| definition.key == *key)?;
            let value = definition.kind.value_of(text);
            Some(RawSetting { key: (*key).to_owned(), value, place: Place::Flag(definition.key) })
        })
    }

    #[cfg(test)]
    pub(in crate::settings) fn of(flags: &[(&'static str, &str)]) -> Self {
        Self(flags.iter().map(|(key, text)| (*key, (*text).to_owned())).collect())
    }
}

impl Args for SettingFlags {
    fn augment_args(command: Command) -> Command {
        command.args(DEFINITIONS.iter().map(flag))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for SettingFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let texts = DEFINITIONS.iter().filter_map(|definition| {
            let texts: Vec<&str> = matches.get_many::<String>(definition.key)?.map(String::as_str).collect();
            Some((definition.key, texts.join(",")))
        });
        Ok(Self(texts.collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

fn flag(definition: &'static Definition) -> Arg {
    let several = matches!(definition.kind, Kind::Seeds(_) | Kind::Origins(_) | Kind::Hosts(_));
    let meaning = definition.meaning;
    let brief = meaning.split(". ").next().unwrap_or(meaning);
    let default = definition.default_text();
    let facts = format!(
        "[file: {}] [variable: {}] [takes: {}] [default: {default}]",
        definition.key,
        definition.variable(),
        definition.kind.takes(),
    );
    Arg::new(definition.key)
        .long(definition.flag())
        .value_name(value_name(definition))
        .action(if several { ArgAction::Append } else { ArgAction::Set })
        .allow_hyphen_values(true) // a negative number is refused as a value, with its limits
        .help_heading("Settings")
        .help(format!("{brief} [default: {default}]"))
        .long_help(format!("{meaning}\n{facts}"))
}

fn value_name(definition: &Definition) -> &'static str {
    match definition.kind {
        Kind::Name(_) => "NAME",
        Kind::Text(_) => "TEXT",
        Kind::Choice(..) => "CHOICE",
        Kind::Whole { .. } | Kind::WholeOrNone { .. } => "NUMBER",
        Kind::Switch(_) => "true|false",
        Kind::Address(_) | Kind::AddressOrNone(_) => "IP:PORT",
        Kind::DirectoryOrNone(_) => "DIRECTORY",
        Kind::FileOrNone(_) => "FILE",
        Kind::Seeds(_) => "HOST:PORT",
        Kind::Origins(_) => "ORIGIN",
        Kind::Hosts(_) => "HOST",
        Kind::WebhookOrNone(_) => "URL",
    }
}
