//! Ed25519 keys (RFC 8032) as files that other tools read too: PKCS#8 (RFC 5958, version 1) and SubjectPublicKeyInfo
//! (RFC 8410), both PEM. `openssl genpkey -algorithm ed25519` writes the same.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{
    DecodePrivateKey, DecodePublicKey, EncodePrivateKey as _, EncodePublicKey, KeypairBytes,
};
use ed25519_dalek::{Signature, Signer as _, VerifyingKey};

use super::error::JournalError;

/// Bytes of a signature.
pub(super) const SIGNATURE_LEN: usize = 64;

/// Why no key is written.
const THERE: &str = "it is there already; name another file, since a key is never written over";
/// What helps where a file is no key.
const MAKE_ONE: &str = "`pricewright journal keygen FILE` makes a key pair";

/// A private key.
pub struct SigningKey(ed25519_dalek::SigningKey);

/// A public key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SigningKey(of {})", self.public())
    }
}

impl std::fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

/// The 32 bytes of the key in hexadecimal, as RFC 8032 encodes the point.
impl std::fmt::Display for PublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.to_bytes().iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Draws a key and writes it to `path` (PKCS#8 PEM, readable by its owner alone) and its public half to `path` with
/// `.pub` behind it. Returns that path and the public key.
///
/// # Errors
/// Where one of the files is there already, or cannot be written.
pub fn make_key_pair(path: &Path) -> Result<(PathBuf, PublicKey), JournalError> {
    let random = Path::new("/dev/urandom");
    let mut secret = [0; 32];
    let drawn = File::open(random).and_then(|mut file| file.read_exact(&mut secret));
    drawn.map_err(JournalError::io(random, "read"))?;
    let key = SigningKey(ed25519_dalek::SigningKey::from_bytes(&secret));
    let failed = |what: String| JournalError::Key { path: path.to_path_buf(), what };
    // Without the public half: with it the file would be PKCS#8 version 2, which OpenSSL 3.0 does not read.
    let pair = KeypairBytes { secret_key: secret, public_key: None };
    let private = pair.to_pkcs8_pem(LineEnding::LF).map_err(|error| failed(error.to_string()))?;
    let public = key.public().to_pem()?;
    let mut name = path.as_os_str().to_owned();
    name.push(".pub");
    let public_path = PathBuf::from(name);
    if public_path.exists() {
        return Err(JournalError::Key { path: public_path, what: THERE.to_owned() });
    }
    write_new(path, 0o600, private.as_bytes())?;
    write_new(&public_path, 0o644, public.as_bytes())?;
    Ok((public_path, key.public()))
}

fn write_new(path: &Path, mode: u32, bytes: &[u8]) -> Result<(), JournalError> {
    let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    let mut file = file.map_err(|source| match source.kind() {
        std::io::ErrorKind::AlreadyExists => {
            JournalError::Key { path: path.to_path_buf(), what: THERE.to_owned() }
        }
        _ => JournalError::io(path, "create")(source),
    })?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(JournalError::io(path, "write"))
}

fn read_pem(path: &Path) -> Result<String, JournalError> {
    crate::io::bounded::read_text(path, crate::io::bounded::TEXT).map_err(JournalError::io(path, "read"))
}

impl SigningKey {
    /// Reads a private key (PKCS#8 PEM).
    ///
    /// # Errors
    /// Where the file cannot be read, or holds no such key.
    pub fn read(path: &Path) -> Result<Self, JournalError> {
        let what =
            || format!("it holds no Ed25519 private key in PKCS#8 PEM (BEGIN PRIVATE KEY); {MAKE_ONE}");
        let key = ed25519_dalek::SigningKey::from_pkcs8_pem(&read_pem(path)?);
        key.map(Self).map_err(|_| JournalError::Key { path: path.to_path_buf(), what: what() })
    }

    /// Its public half.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }

    pub(super) fn sign(&self, message: &[u8]) -> [u8; SIGNATURE_LEN] {
        self.0.sign(message).to_bytes()
    }
}

impl PublicKey {
    /// Reads a public key (SubjectPublicKeyInfo PEM).
    ///
    /// # Errors
    /// Where the file cannot be read, or holds no such key.
    pub fn read(path: &Path) -> Result<Self, JournalError> {
        let what = || format!("it holds no Ed25519 public key in PEM (BEGIN PUBLIC KEY); {MAKE_ONE}");
        let key = VerifyingKey::from_public_key_pem(&read_pem(path)?);
        key.map(Self).map_err(|_| JournalError::Key { path: path.to_path_buf(), what: what() })
    }

    pub(super) fn from_bytes(bytes: &[u8; 32]) -> Option<Self> {
        VerifyingKey::from_bytes(bytes).ok().map(Self)
    }

    /// As RFC 8032 encodes the point.
    pub fn to_bytes(&self) -> [u8; 32] {
        self.0.to_bytes()
    }

    /// True where `signature` is this key's over `message`, by the strict rule: no key of small order, one form of each
    /// signature.
    pub(super) fn signed(&self, message: &[u8], signature: &[u8; SIGNATURE_LEN]) -> bool {
        self.0.verify_strict(message, &Signature::from_bytes(signature)).is_ok()
    }

    fn to_pem(self) -> Result<String, JournalError> {
        let failed = |error: &dyn std::fmt::Display| JournalError::Key {
            path: PathBuf::new(),
            what: error.to_string(),
        };
        self.0.to_public_key_pem(LineEnding::LF).map_err(|error| failed(&error))
    }
}
