//! What holds where in nginx's configuration: servers, locations, upstreams, and what each inherits. Pure.

use super::nginx_conf::Directive;

/// A `server` or a `location`, with the blocks around it.
#[derive(Clone, Debug)]
pub(super) struct Level<'a> {
    /// The directive itself.
    pub(super) directive: &'a Directive,
    /// The blocks from the outermost to this one's own.
    around: Vec<&'a [Directive]>,
    /// Which server of the configuration it is, or is in.
    pub(super) server: usize,
}

impl<'a> Level<'a> {
    /// What holds here: the directives of this name from the innermost block that has one. Nginx inherits all of a name,
    /// or nothing.
    pub(super) fn holds(&self, name: &str) -> Vec<&'a Directive> {
        let of = |block: &'a [Directive]| block.iter().filter(|one| one.name == name).collect::<Vec<_>>();
        self.around.iter().rev().map(|block| of(block)).find(|all| !all.is_empty()).unwrap_or_default()
    }

    /// The last of what holds here: of most names a block has one.
    pub(super) fn value(&self, name: &str) -> Option<&'a Directive> {
        self.holds(name).last().copied()
    }

    /// What stands in its own block.
    pub(super) fn own(&self, name: &str) -> Option<&'a Directive> {
        self.directive.inside().iter().find(|one| one.name == name)
    }

    /// `file:line: location … { … }`
    pub(super) fn shown(&self) -> String {
        self.directive.shown()
    }

    /// The path of a location by prefix, by exact match, or its name, without `=` and `^~`.
    pub(super) fn path(&self) -> Option<&'a str> {
        match self.directive.arguments.as_slice() {
            [modifier, path] if modifier == "=" || modifier == "^~" => Some(path),
            [path] if !path.starts_with('~') => Some(path),
            _ => None,
        }
    }

    /// Whether it is a location by regular expression.
    pub(super) fn is_regular_expression(&self) -> bool {
        self.directive.argument(0).starts_with('~')
    }

    /// Whether regular expressions are asked before it: by prefix, and without `^~`.
    pub(super) fn yields(&self) -> bool {
        self.directive.arguments.len() == 1 && !self.directive.argument(0).starts_with(['~', '@'])
    }
}

/// A configuration, taken apart.
#[derive(Debug)]
pub(super) struct NginxSite<'a> {
    /// Outside of every block.
    pub(super) main: &'a [Directive],
    /// What stands in `http { … }`.
    pub(super) http: Vec<&'a Directive>,
    /// The servers.
    pub(super) servers: Vec<Level<'a>>,
    /// All locations, the nested ones too.
    pub(super) locations: Vec<Level<'a>>,
}

impl<'a> NginxSite<'a> {
    /// Takes a tree apart.
    pub(super) fn of(main: &'a [Directive]) -> Self {
        let mut site = Self { main, http: Vec::new(), servers: Vec::new(), locations: Vec::new() };
        for http in main.iter().filter(|one| one.name == "http") {
            site.http.extend(http.inside());
            for server in http.inside().iter().filter(|one| one.name == "server") {
                let around = vec![main, http.inside(), server.inside()];
                let number = site.servers.len();
                site.take(server.inside(), &around, number);
                site.servers.push(Level { directive: server, around, server: number });
            }
        }
        site
    }

    fn take(&mut self, block: &'a [Directive], around: &[&'a [Directive]], server: usize) {
        for location in block.iter().filter(|one| one.name == "location") {
            let around: Vec<&[Directive]> = around.iter().copied().chain([location.inside()]).collect();
            self.take(location.inside(), &around, server);
            self.locations.push(Level { directive: location, around, server });
        }
    }

    /// The locations of a server.
    pub(super) fn locations_of(&self, server: usize) -> impl Iterator<Item = &Level<'a>> {
        self.locations.iter().filter(move |location| location.server == server)
    }

    /// The `upstream` of this name.
    pub(super) fn upstream(&self, name: &str) -> Option<&'a Directive> {
        self.http.iter().copied().find(|one| one.name == "upstream" && one.argument(0) == name)
    }

    /// The server of this host, else the first one: `file:line: server { … }`.
    pub(super) fn server_of(&self, host: &str) -> String {
        let names = |server: &&Level<'_>| server.holds("server_name").iter().any(|one| one.arguments.iter().any(|name| name == host));
        let server = self.servers.iter().find(names).or_else(|| self.servers.first());
        server.map_or_else(|| "server { … }".to_owned(), Level::shown)
    }

    /// The user that the workers run as, where it says one.
    pub(super) fn user(&self) -> Option<(&'a str, Option<&'a str>)> {
        let user = self.main.iter().find(|one| one.name == "user")?;
        Some((user.argument(0), user.arguments.get(1).map(String::as_str)))
    }
}
