//! A client of PostgreSQL's protocol (version 3.0, chapter "Frontend/Backend Protocol" of its manual): as much
//! of it as the benchmark needs, without passwords and encryption.

use std::collections::HashMap;
use std::io::{BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::Path;

use crate::round::Failure;

const PROTOCOL: i32 = 3 << 16;
const READ_BYTES: usize = 64 << 10;

trait Wire: Read + Write {}
impl<T: Read + Write> Wire for T {}

/// A connection.
pub(crate) struct Postgres {
    wire: BufReader<Box<dyn Wire>>,
    /// Names of prepared statements, by text.
    statements: HashMap<String, String>,
    message: Vec<u8>,
}

/// The rows of an answer, of one column each.
#[derive(Default)]
pub(crate) struct Rows {
    bytes: Vec<u8>,
    /// Where each row ends.
    ends: Vec<usize>,
}

impl Rows {
    /// The rows' text.
    pub(crate) fn texts(&self) -> impl Iterator<Item = &[u8]> {
        let begins = std::iter::once(0).chain(self.ends.iter().copied());
        begins.zip(&self.ends).filter_map(|(from, to)| self.bytes.get(from..*to))
    }

    /// Reads a `DataRow`: the number of columns, and each with its length.
    fn add(&mut self, row: &[u8]) {
        self.bytes.extend_from_slice(row.get(6..).unwrap_or_default());
        self.ends.push(self.bytes.len());
    }
}

impl Postgres {
    /// Connects to a server of this machine, by the directory of its socket.
    pub(crate) fn local(sockets: &Path, user: &str) -> Result<Self, Failure> {
        let stream = UnixStream::connect(sockets.join(".s.PGSQL.5432"))?;
        Self::greet(Box::new(stream), user, "postgres")
    }

    /// Connects to `postgres://user@host:port/database`.
    pub(crate) fn at(url: &str) -> Result<Self, Failure> {
        let parts = url.strip_prefix("postgres://").and_then(|rest| {
            let (user, rest) = rest.split_once('@')?;
            let (address, database) = rest.split_once('/')?;
            Some((user, address, database))
        });
        let (user, address, database) =
            parts.ok_or_else(|| format!("{url} is not postgres://user@host:port/database"))?;
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        Self::greet(Box::new(stream), user, database)
    }

    fn greet(wire: Box<dyn Wire>, user: &str, database: &str) -> Result<Self, Failure> {
        let wire = BufReader::with_capacity(READ_BYTES, wire);
        let mut client = Self { wire, statements: HashMap::new(), message: Vec::new() };
        let mut greeting = PROTOCOL.to_be_bytes().to_vec();
        for text in ["user", user, "database", database, ""] {
            text_into(&mut greeting, text);
        }
        let length = i32::try_from(greeting.len() + 4)?.to_be_bytes();
        client.wire.get_mut().write_all(&[&length, greeting.as_slice()].concat())?;
        client.rows()?;
        Ok(client)
    }

    /// Runs statements that answer nothing, several with `;` between.
    pub(crate) fn run(&mut self, sql: &str) -> Result<(), Failure> {
        let mut text = Vec::new();
        text_into(&mut text, sql);
        self.send(&[(b'Q', text)])?;
        self.rows().map(drop)
    }

    /// Prepares a statement, once; [`Self::ask`] needs it.
    pub(crate) fn prepare(&mut self, sql: &str) -> Result<(), Failure> {
        if self.statements.contains_key(sql) {
            return Ok(());
        }
        let name = format!("s{}", self.statements.len());
        let mut parse = Vec::new();
        text_into(&mut parse, &name);
        text_into(&mut parse, sql);
        parse.extend([0; 2]);
        self.send(&[(b'P', parse), (b'S', Vec::new())])?;
        self.rows()?;
        self.statements.insert(sql.to_owned(), name);
        Ok(())
    }

    /// The rows that a prepared statement answers for these values.
    pub(crate) fn ask(&mut self, sql: &str, values: &[String]) -> Result<Rows, Failure> {
        let name = self.statements.get(sql).ok_or("the statement is not prepared")?;
        let mut bind = vec![0];
        text_into(&mut bind, name);
        bind.extend([0; 2]);
        bind.extend(i16::try_from(values.len())?.to_be_bytes());
        for value in values {
            bind.extend(i32::try_from(value.len())?.to_be_bytes());
            bind.extend(value.as_bytes());
        }
        bind.extend([0; 2]);
        self.send(&[(b'B', bind), (b'E', vec![0; 5]), (b'S', Vec::new())])?;
        self.rows()
    }

    /// Begins `COPY … FROM STDIN`.
    pub(crate) fn begin_copy(&mut self, sql: &str) -> Result<(), Failure> {
        let mut text = Vec::new();
        text_into(&mut text, sql);
        self.send(&[(b'Q', text)])?;
        match self.receive()? {
            b'G' => Ok(()),
            b'E' => Err(fault(&self.message).into()),
            other => Err(format!("message {} instead of COPY", char::from(other)).into()),
        }
    }

    /// Lines of a `COPY`.
    pub(crate) fn copy(&mut self, lines: Vec<u8>) -> Result<(), Failure> {
        self.send(&[(b'd', lines)])
    }

    /// Ends a `COPY`.
    pub(crate) fn end_copy(&mut self) -> Result<(), Failure> {
        self.send(&[(b'c', Vec::new())])?;
        self.rows().map(drop)
    }

    /// Sends messages in one piece.
    fn send(&mut self, messages: &[(u8, Vec<u8>)]) -> Result<(), Failure> {
        let mut bytes = Vec::new();
        for (tag, message) in messages {
            bytes.push(*tag);
            bytes.extend(i32::try_from(message.len() + 4)?.to_be_bytes());
            bytes.extend(message);
        }
        Ok(self.wire.get_mut().write_all(&bytes)?)
    }

    /// Reads until the server is ready for the next question.
    fn rows(&mut self) -> Result<Rows, Failure> {
        let (mut rows, mut failed) = (Rows::default(), None);
        loop {
            match self.receive()? {
                b'D' => rows.add(&self.message),
                b'E' => failed = Some(fault(&self.message)),
                b'R' if self.message != [0; 4] => return Err("it wants a password".into()),
                b'Z' => return failed.map_or(Ok(rows), |fault| Err(fault.into())),
                _ => {}
            }
            // An error in the greeting is the last word.
            if let Some(fault) = failed.take_if(|fault| fault.contains("FATAL")) {
                return Err(fault.into());
            }
        }
    }

    /// Reads a message and returns its tag.
    fn receive(&mut self) -> Result<u8, Failure> {
        let mut head = [0; 5];
        self.wire.read_exact(&mut head)?;
        let [tag, a, b, c, d] = head;
        let length = usize::try_from(u32::from_be_bytes([a, b, c, d]))?.saturating_sub(4);
        self.message.resize(length, 0);
        self.wire.read_exact(&mut self.message)?;
        Ok(tag)
    }
}

fn text_into(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend(text.as_bytes());
    bytes.push(0);
}

/// The fields of an error, in one line.
fn fault(message: &[u8]) -> String {
    let fields = message.split(|byte| *byte == 0);
    let texts = fields.map(|field| String::from_utf8_lossy(field.get(1..).unwrap_or_default()));
    format!("PostgreSQL: {}", texts.collect::<Vec<_>>().join(" "))
}
