//! A form and lines of JSON are read within their bounds, or refused with words. The first byte says which.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sidestream::content::limits::FORM_FIELDS;
use sidestream::content::{form, lines};
use sidestream::event::limits::DELIVERY_EVENTS;

fuzz_target!(|bytes: &[u8]| {
    let Some((first, body)) = bytes.split_first() else { return };
    if first % 2 == 0 {
        let Ok(fields) = form::fields(body) else { return };
        assert!(fields.len() <= FORM_FIELDS);
        let decoded: usize = fields.iter().map(|field| field.name.len() + field.value.len()).sum();
        assert!(decoded <= body.len());
    } else {
        let body = body.to_vec().into();
        let Ok(values) = lines::lines(&body) else { return };
        assert!(values.len() <= DELIVERY_EVENTS);
        for value in values {
            // A JSON text, which is no body of two.
            assert_eq!(lines::lines(&value).expect("it was read before"), [&value]);
        }
    }
});
