//! Test clusters with services of their own: what users test their services with.
#![cfg(feature = "testing")]

mod example;
mod misuse;
mod services;
