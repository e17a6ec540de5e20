#![no_main]

pricewright_fuzz::libfuzzer_target!(pricewright_fuzz::targets::http);
