//! Who may do what over HTTP: rights, the roles that hold them, and how a route declares what it needs.
//!
//! Each crate that serves routes lists them beside its router as [`Route`]s; a server lets nobody through to a route
//! that no table names. The tables are also what a description of the API is made from.

/// What a request needs to be let through.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Right {
    /// Nothing: health, and the public tree, which holds digests and counts alone.
    Public,
    /// To be known, in whatever role: what a client checks the ledger by.
    Known,
    /// Reading the registry and what is summed up of it.
    Read,
    /// Reading what agents wrote: bodies, details, exports, and answers to queries, be they numbers alone. Each read is
    /// recorded.
    ReadSensitive,
    /// Following the log. Each opening is recorded.
    Tail,
    /// Handing in signed submissions.
    Publish,
    /// The kill switch.
    Disable,
    /// Administration of the server. Each use is recorded.
    Operate,
}

impl Right {
    /// Every right, from the weakest on.
    pub const ALL: [Self; 8] = [
        Self::Public,
        Self::Known,
        Self::Read,
        Self::ReadSensitive,
        Self::Tail,
        Self::Publish,
        Self::Disable,
        Self::Operate,
    ];

    /// As it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Known => "known",
            Self::Read => "read",
            Self::ReadSensitive => "read-sensitive",
            Self::Tail => "tail",
            Self::Publish => "publish",
            Self::Disable => "disable",
            Self::Operate => "operate",
        }
    }

    /// Whether its use shows what agents wrote, and so is an entry itself.
    #[must_use]
    pub const fn is_recorded(self) -> bool {
        matches!(self, Self::ReadSensitive | Self::Tail | Self::Operate)
    }
}

/// What somebody is to the ledger.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Role {
    /// Hands in signed events; the signature is what identifies it.
    Publisher,
    /// Reads.
    Auditor,
    /// Reads, follows, and disables an agent.
    Responder,
    /// Everything: whoever may copy the store could read all of it anyway.
    Operator,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 4] = [Self::Publisher, Self::Auditor, Self::Responder, Self::Operator];

    /// As it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Publisher => "publisher",
            Self::Auditor => "auditor",
            Self::Responder => "responder",
            Self::Operator => "operator",
        }
    }

    /// The role with this name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == text)
    }

    /// Whether the role holds the right.
    #[must_use]
    pub const fn may(self, right: Right) -> bool {
        match right {
            Right::Public | Right::Known => true,
            Right::Read | Right::ReadSensitive => !matches!(self, Self::Publisher),
            Right::Tail | Right::Disable => matches!(self, Self::Responder | Self::Operator),
            Right::Publish => matches!(self, Self::Publisher | Self::Operator),
            Right::Operate => matches!(self, Self::Operator),
        }
    }
}

/// What a reader with a scope, a query that bounds what it sees, gets from a route.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scoped {
    /// The same as everybody: nothing that agents wrote is in it.
    Free,
    /// What fits both the scope and the request.
    Filtered,
    /// The entry if it fits the scope, else what an unknown one gets.
    Single,
    /// Nothing: an answer that joins entries cannot be cut to a scope.
    Refused,
}

/// Where a parameter stands in a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// A segment of the path.
    Path,
    /// The query string.
    Query,
    /// A header.
    Header,
}

/// What a parameter's text must be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// Any text; its own rules are in the description.
    Text,
    /// Decimal digits.
    Integer,
    /// `true` or `false`.
    Flag,
}

/// A parameter of a route.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Param {
    /// Its name.
    pub name: &'static str,
    /// Where it stands.
    pub place: Place,
    /// What it must be.
    pub form: Form,
    /// Whether the request makes no sense without it.
    pub required: bool,
    /// What it does, in a sentence without its full stop.
    pub description: &'static str,
}

impl Param {
    /// An optional text in the query string.
    #[must_use]
    pub const fn text(name: &'static str, description: &'static str) -> Self {
        Self { name, place: Place::Query, form: Form::Text, required: false, description }
    }

    /// An optional number in the query string.
    #[must_use]
    pub const fn integer(name: &'static str, description: &'static str) -> Self {
        Self { form: Form::Integer, ..Self::text(name, description) }
    }

    /// An optional `true` or `false` in the query string.
    #[must_use]
    pub const fn flag(name: &'static str, description: &'static str) -> Self {
        Self { form: Form::Flag, ..Self::text(name, description) }
    }

    /// A segment of the path, which every path has.
    #[must_use]
    pub const fn path(name: &'static str, description: &'static str) -> Self {
        Self { place: Place::Path, required: true, ..Self::text(name, description) }
    }

    /// An optional header.
    #[must_use]
    pub const fn header(name: &'static str, description: &'static str) -> Self {
        Self { place: Place::Header, ..Self::text(name, description) }
    }

    /// The same, and required.
    #[must_use]
    pub const fn required(self) -> Self {
        Self { required: true, ..self }
    }

    /// The same as a number.
    #[must_use]
    pub const fn number(self) -> Self {
        Self { form: Form::Integer, ..self }
    }
}

/// JSON, which every route speaks unless it says otherwise.
pub const JSON_MEDIA_TYPE: &str = "application/json";

/// One method at one path.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Route {
    /// `GET`, `POST` or `DELETE`.
    pub method: &'static str,
    /// The path from the root, its variable segments in braces, as in `/api/v1/entries/{index}`.
    pub path: &'static str,
    /// What a request needs.
    pub right: Right,
    /// What a scope does to it.
    pub scoped: Scoped,
    /// What it is for, in a sentence without its full stop.
    pub summary: &'static str,
    /// Every parameter that it takes.
    pub params: &'static [Param],
    /// Media type of the request's body, where it takes one.
    pub body: Option<&'static str>,
    /// Media types of the answer, the default first.
    pub media: &'static [&'static str],
    /// Whether it may answer 202 and where to ask again.
    pub later: bool,
    /// The status of success.
    pub success: u16,
    /// Other statuses that are no failure, and what each says.
    pub also: &'static [(u16, &'static str)],
}

impl Route {
    const fn new(
        method: &'static str,
        path: &'static str,
        right: Right,
        summary: &'static str,
    ) -> Self {
        // Nobody with a scope gets past what its author did not think of.
        let scoped = match right {
            Right::Public | Right::Known | Right::Publish => Scoped::Free,
            _ => Scoped::Refused,
        };
        let (params, body, media): (&[Param], _, &[&str]) = (&[], None, &[JSON_MEDIA_TYPE]);
        let also: &[(u16, &str)] = &[];
        let (later, success) = (false, 200);
        Self { method, path, right, scoped, summary, params, body, media, later, success, also }
    }

    /// A `GET`, which answers `HEAD` too.
    #[must_use]
    pub const fn get(path: &'static str, right: Right, summary: &'static str) -> Self {
        Self::new("GET", path, right, summary)
    }

    /// A `POST`.
    #[must_use]
    pub const fn post(path: &'static str, right: Right, summary: &'static str) -> Self {
        Self::new("POST", path, right, summary)
    }

    /// A `DELETE`, after which there is nothing to answer with.
    #[must_use]
    pub const fn delete(path: &'static str, right: Right, summary: &'static str) -> Self {
        Self { success: 204, ..Self::new("DELETE", path, right, summary) }.media(&[])
    }

    /// The same with these parameters.
    #[must_use]
    pub const fn params(self, params: &'static [Param]) -> Self {
        Self { params, ..self }
    }

    /// The same, which takes a body of this media type.
    #[must_use]
    pub const fn body(self, media: &'static str) -> Self {
        Self { body: Some(media), ..self }
    }

    /// The same, which answers in these media types.
    #[must_use]
    pub const fn media(self, media: &'static [&'static str]) -> Self {
        Self { media, ..self }
    }

    /// The same, which answers 202 where it takes long.
    #[must_use]
    pub const fn later(self) -> Self {
        Self { later: true, ..self }
    }

    /// The same, which answers 201: something new is there.
    #[must_use]
    pub const fn created(self) -> Self {
        Self { success: 201, ..self }
    }

    /// The same, which has these statuses beside that of success.
    #[must_use]
    pub const fn also(self, also: &'static [(u16, &'static str)]) -> Self {
        Self { also, ..self }
    }

    /// The same; readers with a scope get what fits it, too.
    #[must_use]
    pub const fn filtered(self) -> Self {
        Self { scoped: Scoped::Filtered, ..self }
    }

    /// The same; it is one entry, which readers with a scope get if it fits.
    #[must_use]
    pub const fn single(self) -> Self {
        Self { scoped: Scoped::Single, ..self }
    }

    /// The same, which readers with a scope do not get.
    #[must_use]
    pub const fn refused(self) -> Self {
        Self { scoped: Scoped::Refused, ..self }
    }

    /// The names of the variable segments of the path, in order.
    pub fn segments(&self) -> impl Iterator<Item = &'static str> {
        let parts = self.path.split('/');
        parts.filter_map(|part| {
            Some(part.strip_prefix('{')?.strip_suffix('}')?.trim_start_matches('*'))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_hold_what_the_design_gives_them() {
        let held = |role: Role| {
            Right::ALL.into_iter().filter(|right| role.may(*right)).map(Right::as_str).collect()
        };
        let rights: [Vec<_>; 4] = Role::ALL.map(held);
        assert_eq!(rights[0], ["public", "known", "publish"]);
        assert_eq!(rights[1], ["public", "known", "read", "read-sensitive"]);
        assert_eq!(rights[2], ["public", "known", "read", "read-sensitive", "tail", "disable"]);
        assert_eq!(rights[3].len(), Right::ALL.len());
        for role in Role::ALL {
            assert_eq!(Role::parse(role.as_str()), Some(role));
        }
        assert_eq!(Role::parse("root"), None);
    }

    #[test]
    fn a_route_is_refused_to_scopes_unless_it_says_otherwise() {
        const ROUTE: Route = Route::get("/a/{b}/{*c}", Right::Read, "A");
        assert_eq!(ROUTE.scoped, Scoped::Refused);
        assert_eq!(ROUTE.single().scoped, Scoped::Single);
        assert_eq!(Route::get("/a", Right::Public, "A").scoped, Scoped::Free);
        assert_eq!(ROUTE.segments().collect::<Vec<_>>(), ["b", "c"]);
    }
}
