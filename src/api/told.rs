//! What the API says of each call: what it does, takes and answers. It stands beside the call in the table, so that no call
//! is without it. Of a type only who describes it is kept: nothing of it is put together before somebody wants to read it.

use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::{RequestBody, RequestBodyBuilder};
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, Schema, SchemaType, Type};
use utoipa::openapi::{Content, ContentBuilder, Ref, RefOr, Required};
use utoipa::{IntoParams, ToSchema};

/// What is told of a call.
#[derive(Clone)]
pub(super) struct Told {
    /// In one sentence.
    pub(super) summary: &'static str,
    asked: Option<fn() -> Vec<Parameter>>,
    headers: Vec<Header>,
    taken: Option<Taken>,
    answered: Option<Answered>,
}

#[derive(Clone, Copy)]
struct Header {
    name: &'static str,
    says: &'static str,
    pattern: &'static str,
}

#[derive(Clone, Copy)]
enum Taken {
    Json(Named),
    Lines,
}

#[derive(Clone, Copy)]
enum Answered {
    One(Named),
    List(Named),
}

/// A type that has a schema.
#[derive(Clone, Copy)]
struct Named {
    reference: fn() -> RefOr<Schema>,
    schemas: fn() -> Vec<(String, RefOr<Schema>)>,
}

impl Named {
    fn of<T: ToSchema>() -> Self {
        Self { reference: reference::<T>, schemas: schemas::<T> }
    }
}

fn reference<T: ToSchema>() -> RefOr<Schema> {
    Ref::from_schema_name(T::name()).into()
}

/// The schema of a type and of all that it has in it.
fn schemas<T: ToSchema>() -> Vec<(String, RefOr<Schema>)> {
    let mut schemas = vec![(T::name().into_owned(), T::schema())];
    T::schemas(&mut schemas);
    schemas
}

fn query<T: IntoParams>() -> Vec<Parameter> {
    T::into_params(|| Some(ParameterIn::Query))
}

/// Begins with what a call does, in one sentence.
pub(super) const fn does(summary: &'static str) -> Told {
    Told { summary, asked: None, headers: Vec::new(), taken: None, answered: None }
}

impl Told {
    /// It takes this query.
    pub(super) fn asked<T: IntoParams>(self) -> Self {
        Self { asked: Some(query::<T>), ..self }
    }

    /// It takes this body.
    pub(super) fn takes<T: ToSchema>(self) -> Self {
        Self { taken: Some(Taken::Json(Named::of::<T>())), ..self }
    }

    /// It takes lines of text, or none.
    pub(super) fn takes_lines(self) -> Self {
        Self { taken: Some(Taken::Lines), ..self }
    }

    /// It answers this.
    pub(super) fn answers<T: ToSchema>(self) -> Self {
        Self { answered: Some(Answered::One(Named::of::<T>())), ..self }
    }

    /// It answers a list of these.
    pub(super) fn lists<T: ToSchema>(self) -> Self {
        Self { answered: Some(Answered::List(Named::of::<T>())), ..self }
    }

    /// It takes a header, which need not be there.
    pub(super) fn header(mut self, name: &'static str, says: &'static str, pattern: &'static str) -> Self {
        self.headers.push(Header { name, says, pattern });
        self
    }

    /// Its query, and headers of its own.
    pub(super) fn parameters(&self) -> Vec<Parameter> {
        let mut parameters = self.asked.map(|asked| asked()).unwrap_or_default();
        parameters.extend(self.headers.iter().map(|Header { name, says, pattern }| {
            let schema = ObjectBuilder::new().schema_type(SchemaType::Type(Type::String)).pattern(Some(*pattern)).build();
            let parameter = ParameterBuilder::new().name(*name).parameter_in(ParameterIn::Header).required(Required::False);
            parameter.description(Some(*says)).schema(Some(schema)).build()
        }));
        parameters
    }

    /// Its body.
    pub(super) fn body(&self) -> Option<RequestBody> {
        let content = |schema: RefOr<Schema>| -> Content { ContentBuilder::new().schema(Some(schema)).build() };
        Some(match self.taken? {
            Taken::Json(named) => {
                let body = RequestBodyBuilder::new().content("application/json", content((named.reference)()));
                body.required(Some(Required::True)).build()
            }
            Taken::Lines => {
                let text = ObjectBuilder::new().schema_type(SchemaType::Type(Type::String)).build();
                RequestBodyBuilder::new().content("text/plain", content(text.into())).build()
            }
        })
    }

    /// What is answered with 200.
    pub(super) fn answer(&self) -> RefOr<Schema> {
        match self.answered {
            None => ObjectBuilder::new().into(),
            Some(Answered::One(named)) => (named.reference)(),
            Some(Answered::List(named)) => ArrayBuilder::new().items((named.reference)()).into(),
        }
    }

    /// The schemas that are named above.
    pub(super) fn schemas(&self) -> Vec<(String, RefOr<Schema>)> {
        let taken = self.taken.and_then(|taken| match taken {
            Taken::Json(named) => Some(named),
            Taken::Lines => None,
        });
        let answered = self.answered.map(|(Answered::One(named) | Answered::List(named))| named);
        taken.into_iter().chain(answered).flat_map(|named| (named.schemas)()).collect()
    }
}
