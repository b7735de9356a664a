//! Profiles: where a person is signed in, and as whom.
//!
//! A file for each, of mode 0600, below `$XDG_CONFIG_HOME/jinyun` (else `~/.config/jinyun`). It
//! holds a token, which is good for an hour and can be revoked, and never a password. A file that
//! others can read is not used: whoever could read it could have taken the token.

use crate::control;
use crate::fail::{Failed, MISSING, SIGN_IN, USAGE};
use crate::say;
use crate::session::Wish;
use crate::show;
use jinyun_base::{Fault, Secret, Time};
use serde_json::{Value, json};
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The profile of those who name none and use none.
const USUAL: &str = "default";

/// Where somebody is signed in.
#[derive(Debug, Clone, Default)]
pub struct Profile {
    /// `https://host:port`.
    pub url: String,
    /// The CA's certificate.
    pub ca: PathBuf,
    /// The user's name, id and domain.
    pub user: String,
    /// The user's id.
    pub user_id: String,
    /// The name of the user's domain.
    pub domain: String,
    /// The scope, in words.
    pub scope: String,
    /// Until when the token is good; empty without one.
    pub expires: String,
    /// The token; none after signing out.
    pub token: Option<Secret<String>>,
}

impl Profile {
    fn write(&self) -> Value {
        json!({
            "url": self.url, "ca": self.ca, "user": self.user, "user_id": self.user_id,
            "domain": self.domain, "scope": self.scope, "expires": self.expires,
            "token": self.token.as_ref().map(|token| token.expose().as_str()),
        })
    }

    fn read(value: &Value) -> Option<Profile> {
        let text = |name: &str| value.get(name).and_then(Value::as_str).map(String::from);
        Some(Profile {
            url: text("url")?,
            ca: text("ca")?.into(),
            user: text("user")?,
            user_id: text("user_id")?,
            domain: text("domain")?,
            scope: text("scope")?,
            expires: text("expires")?,
            token: text("token").map(Secret::new),
        })
    }

    /// Whether the token's time is over.
    pub fn is_over(&self, now: Time) -> bool {
        Time::parse(&self.expires).is_none_or(|end| end <= now)
    }

    /// The profile without what must not be shown.
    fn shown(&self, name: &str, current: bool, now: Time) -> Value {
        let signed = self.token.is_some() && !self.is_over(now);
        json!({
            "name": name, "current": current, "url": self.url, "ca": self.ca, "user": self.user,
            "domain": self.domain, "scope": self.scope, "expires": self.expires,
            "signed_in": signed,
        })
    }
}

/// All profiles of a person.
pub struct Profiles {
    dir: PathBuf,
}

fn good(name: &str) -> bool {
    (1..=64).contains(&name.len()) && !name.starts_with('.')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}

/// What a name is to be like.
const NAMES: &str = "is no name for a profile: use 1 to 64 letters, digits, '.', '-' and '_', and no '.' \
                     in front";

/// Reads a profile's name.
pub fn read_name(text: &str) -> Result<String, String> {
    if good(text) { Ok(text.into()) } else { Err(NAMES.into()) }
}

/// The directory that a variable names, if it names one from the root.
fn named(variable: &str) -> Option<PathBuf> {
    let dir = PathBuf::from(std::env::var_os(variable)?);
    dir.is_absolute().then_some(dir)
}

fn at(path: &Path) -> impl Fn(io::Error) -> Fault {
    let path = path.display().to_string();
    move |e| Fault::new(format!("{path}: {e}"))
}

/// Writes a file of mode 0600, whole or not at all.
fn keep(path: &Path, text: &str) -> Result<(), Fault> {
    let part = path.with_extension(format!("part{}", std::process::id()));
    let written = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part)
        .and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()
        })
        .and_then(|()| fs::rename(&part, path));
    if written.is_err() {
        // What is half written may hold a token.
        let _ = fs::remove_file(&part);
    }
    written.map_err(at(path))
}

impl Profiles {
    /// Of the one who calls.
    pub fn of_user() -> Result<Profiles, Fault> {
        let base = named("XDG_CONFIG_HOME").or_else(|| Some(named("HOME")?.join(".config")));
        let base = base.ok_or_else(|| Fault::new(
            "there is no place for a profile: neither XDG_CONFIG_HOME nor HOME names a directory"
        ))?;
        Ok(Profiles { dir: base.join("jinyun") })
    }

    fn path(&self, name: &str) -> Result<PathBuf, Failed> {
        if !good(name) {
            return Err(Failed::new(USAGE, format!("`{}` {NAMES}", show::plain(name))));
        }
        Ok(self.dir.join("profiles").join(format!("{name}.json")))
    }

    /// The profile that is used where none is named.
    pub fn current(&self) -> String {
        let name = fs::read_to_string(self.dir.join("current")).unwrap_or_default();
        let name = name.trim();
        if good(name) { name.into() } else { USUAL.into() }
    }

    /// The name that was asked for, or the current one.
    pub fn name(&self, asked: Option<&str>) -> String {
        asked.map_or_else(|| self.current(), String::from)
    }

    /// One profile.
    pub fn load(&self, name: &str) -> Result<Profile, Failed> {
        let path = self.path(name)?;
        let file = match fs::File::open(&path) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                let say = format!("there is no profile `{name}`: sign in with `jinyun login`");
                return Err(Failed::new(SIGN_IN, say));
            }
            Err(e) => return Err(at(&path)(e).into()),
        };
        let mode = file.metadata().map_err(at(&path))?.permissions().mode();
        if mode & 0o077 != 0 {
            return Err(Failed::new(SIGN_IN, format!(
                "{} can be read by others (mode {:o}), so its token is not used: sign in again",
                path.display(), mode & 0o777
            )));
        }
        let text = Secret::new(io::read_to_string(file).map_err(at(&path))?);
        let value: Option<Value> = serde_json::from_str(text.expose()).ok();
        value.as_ref().and_then(Profile::read).ok_or_else(|| Failed::new(SIGN_IN, format!(
            "{} is damaged: delete the profile and sign in again", path.display()
        )))
    }

    /// One profile, for whoever asks about it and not by it: one that is not there is missing.
    fn find(&self, name: &str) -> Result<Profile, Failed> {
        if !self.path(name)?.exists() {
            let say = format!("there is no profile `{name}`: `jinyun profile list` has them all");
            return Err(Failed::new(MISSING, say));
        }
        self.load(name)
    }

    /// Keeps a profile. The first one is the current one.
    pub fn keep(&self, name: &str, profile: &Profile) -> Result<(), Failed> {
        let path = self.path(name)?;
        let dir = self.dir.join("profiles");
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&dir).map_err(at(&dir))?;
        let text = Secret::new(profile.write().to_string());
        keep(&path, text.expose())?;
        if !self.dir.join("current").exists() {
            self.choose(name)?;
        }
        Ok(())
    }

    /// Makes a profile the current one.
    fn choose(&self, name: &str) -> Result<(), Failed> {
        keep(&self.dir.join("current"), &format!("{name}\n")).map_err(Failed::from)
    }

    fn delete(&self, name: &str) -> Result<(), Failed> {
        let path = self.path(name)?;
        fs::remove_file(&path).map_err(|e| match e.kind() {
            io::ErrorKind::NotFound => {
                Failed::new(MISSING, format!("there is no profile `{name}`"))
            }
            _ => at(&path)(e).into(),
        })?;
        if self.current() == name {
            let _ = fs::remove_file(self.dir.join("current"));
        }
        Ok(())
    }

    /// Names of all profiles, sorted.
    fn names(&self) -> Vec<String> {
        let files = fs::read_dir(self.dir.join("profiles")).into_iter().flatten().flatten();
        let mut names: Vec<String> = files
            .filter_map(|f| Some(f.file_name().to_str()?.strip_suffix(".json")?.to_string()))
            .filter(|name| good(name)).collect();
        names.sort();
        names
    }
}

/// What to do with profiles.
#[derive(clap::Subcommand)]
pub enum Command {
    /// List all profiles.
    List,
    /// Use a profile where none is named.
    Use {
        /// Its name.
        #[arg(value_parser = read_name)]
        name: String,
    },
    /// Show a profile, without its token.
    Show {
        /// Its name; the one in use if not given.
        #[arg(value_parser = read_name)]
        name: Option<String>,
    },
    /// Delete a profile. The token stays good until it expires: `jinyun logout` first.
    Delete {
        /// Its name.
        #[arg(value_parser = read_name)]
        name: String,
    },
}

/// Runs it.
pub fn run(command: Command, wish: &Wish) -> Result<(), Failed> {
    let (profiles, now, output) = (Profiles::of_user()?, control::now(), wish.output);
    match command {
        Command::List => {
            let current = profiles.current();
            let mut all = Vec::new();
            for name in profiles.names() {
                match profiles.load(&name) {
                    Ok(profile) => all.push(profile.shown(&name, name == current, now)),
                    // One that cannot be used is listed all the same, and said.
                    Err(failed) => say::err(&format!("jinyun: {}", failed.say)),
                }
            }
            let rows: Vec<Vec<String>> = all.iter().map(|p| {
                let text = |name: &str| show::cell(&p[name]);
                let mark = |name: &str| String::from(if p[name] == true { "*" } else { "" });
                vec![mark("current"), text("name"), mark("signed_in"), text("user"), text("domain"),
                    text("scope"), text("url")]
            }).collect();
            let head = ["IN USE", "NAME", "SIGNED IN", "USER", "DOMAIN", "SCOPE", "URL"];
            show::print(output, &Value::from(all), || show::table(&head, &rows));
        }
        Command::Use { name } => {
            profiles.find(&name)?;
            profiles.choose(&name)?;
            say::out(&format!("Profile `{name}` is in use."));
        }
        Command::Show { name } => {
            let name = profiles.name(name.as_deref().or(wish.profile.as_deref()));
            let shown = profiles.find(&name)?.shown(&name, name == profiles.current(), now);
            let words = ["name", "current", "signed_in", "user", "domain", "scope", "expires", "url",
                "ca"];
            let rows = words.map(|word| (word, show::cell(&shown[word])));
            show::print(output, &shown, || show::members(&rows));
        }
        Command::Delete { name } => {
            profiles.delete(&name)?;
            say::out(&format!("Profile `{name}` is deleted."));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Home(Profiles);

    impl Drop for Home {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0.dir);
        }
    }

    fn home(name: &str) -> Home {
        let dir = std::env::temp_dir().join(format!("jyprofile-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        Home(Profiles { dir })
    }

    fn profile() -> Profile {
        Profile {
            url: "https://127.0.0.1:8443".into(),
            user: "ann".into(),
            expires: "2026-01-31T08:00:00Z".into(),
            token: Some(Secret::new("sesame".into())),
            ..Profile::default()
        }
    }

    #[test]
    fn a_profile_is_its_owners_alone() {
        let home = home("mode");
        home.0.keep("bank", &profile()).unwrap();
        assert_eq!(home.0.current(), "bank", "the first one is in use");
        let path = home.0.path("bank").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(path.parent().unwrap()).unwrap().permissions().mode() & 0o777, 0o700);
        let got = home.0.load("bank").unwrap();
        assert_eq!((got.user.as_str(), got.token.unwrap().expose().as_str()), ("ann", "sesame"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(home.0.load("bank").unwrap_err().say.contains("read by others"));
        home.0.keep("bank", &profile()).unwrap();
        assert!(home.0.load("bank").is_ok(), "written anew, it is closed again");
        fs::write(&path, "{}").unwrap();
        assert!(home.0.load("bank").unwrap_err().say.contains("damaged"));
    }

    #[test]
    fn names_stay_in_their_directory() {
        let home = home("names");
        for bad in ["", "../x", "a/b", ".hidden", "a b", &"x".repeat(65)] {
            assert_eq!(home.0.path(bad).unwrap_err().code, USAGE, "{bad}");
            assert!(read_name(bad).is_err(), "{bad}");
            assert_eq!(home.0.find(bad).unwrap_err().code, USAGE, "{bad}");
        }
        assert_eq!(read_name("a.b-c_1").as_deref(), Ok("a.b-c_1"));
        assert_eq!(home.0.current(), "default");
        // Whoever would ask by it has to sign in; whoever asks about it hears that it is not there.
        assert_eq!(home.0.load("default").unwrap_err().code, SIGN_IN);
        assert_eq!(home.0.find("default").unwrap_err().code, MISSING);
        assert_eq!(home.0.delete("default").unwrap_err().code, MISSING);
        home.0.keep("a", &profile()).unwrap();
        home.0.keep("b", &profile()).unwrap();
        assert_eq!((home.0.names(), home.0.current()), (vec!["a".into(), "b".into()], "a".into()));
        home.0.choose("b").unwrap();
        home.0.delete("b").unwrap();
        assert_eq!((home.0.names(), home.0.current()), (vec!["a".into()], "default".into()));
    }

    #[test]
    fn what_is_shown_holds_no_token() {
        let before = Time::parse("2026-01-31T07:59:59Z").unwrap();
        let shown = profile().shown("bank", true, before);
        assert!(!shown.to_string().contains("sesame"));
        assert_eq!(shown["signed_in"], true);
        assert_eq!(profile().shown("bank", true, before.plus_seconds(1))["signed_in"], false);
        assert!(!format!("{:?}", profile()).contains("sesame"));
    }
}
