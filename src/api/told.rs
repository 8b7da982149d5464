//! What the API says of each call: what it does, takes and answers. It stands beside the call in the table, so that no call
//! is without it.

use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, Schema, SchemaType, Type};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Required};
use utoipa::{IntoParams, ToSchema};

use utoipa::openapi::request_body::RequestBody;

/// What is told of a call.
#[derive(Clone)]
pub(super) struct Told {
    /// In one sentence.
    pub(super) summary: &'static str,
    /// Its query, and headers of its own.
    pub(super) parameters: Vec<Parameter>,
    pub(super) body: Option<RequestBody>,
    /// What is answered with 200.
    pub(super) answer: RefOr<Schema>,
    /// The schemas that are named above.
    pub(super) schemas: Vec<(String, RefOr<Schema>)>,
}

/// Begins with what a call does, in one sentence.
pub(super) fn does(summary: &'static str) -> Told {
    Told { summary, parameters: Vec::new(), body: None, answer: ObjectBuilder::new().into(), schemas: Vec::new() }
}

impl Told {
    /// In line, the schema of a type would stand in the program once for each call that names it.
    #[inline(never)]
    fn name<T: ToSchema>(&mut self) -> RefOr<Schema> {
        self.schemas.push((T::name().into_owned(), T::schema()));
        T::schemas(&mut self.schemas);
        Ref::from_schema_name(T::name()).into()
    }

    /// It takes this query.
    pub(super) fn asked<T: IntoParams>(mut self) -> Self {
        self.parameters.extend(T::into_params(|| Some(ParameterIn::Query)));
        self
    }

    /// It takes this body.
    pub(super) fn takes<T: ToSchema>(mut self) -> Self {
        let content = ContentBuilder::new().schema(Some(self.name::<T>())).build();
        self.body = Some(RequestBodyBuilder::new().content("application/json", content).required(Some(Required::True)).build());
        self
    }

    /// It takes lines of text, or none.
    pub(super) fn takes_lines(mut self) -> Self {
        let text = ObjectBuilder::new().schema_type(SchemaType::Type(Type::String)).build();
        self.body = Some(RequestBodyBuilder::new().content("text/plain", ContentBuilder::new().schema(Some(text)).build()).build());
        self
    }

    /// It answers this.
    pub(super) fn answers<T: ToSchema>(mut self) -> Self {
        self.answer = self.name::<T>();
        self
    }

    /// It answers a list of these.
    pub(super) fn lists<T: ToSchema>(mut self) -> Self {
        self.answer = ArrayBuilder::new().items(self.name::<T>()).into();
        self
    }

    /// It takes a header, which need not be there.
    pub(super) fn header(mut self, name: &'static str, says: &'static str, pattern: &'static str) -> Self {
        let schema = ObjectBuilder::new().schema_type(SchemaType::Type(Type::String)).pattern(Some(pattern)).build();
        let parameter = ParameterBuilder::new().name(name).parameter_in(ParameterIn::Header).required(Required::False);
        self.parameters.push(parameter.description(Some(says)).schema(Some(schema)).build());
        self
    }
}
