#!/usr/bin/env bash
# OpenSSL as the judge of seals: it reads our keys and checks our signature, and we take its keys.
set -euo pipefail
work="$1"
dir="$work/sealed"
"$PRICEWRIGHT" demo flash-sale --seconds 1 --journal "$dir" > "$work/sealed.log"

"$PRICEWRIGHT" journal keygen "$work/ours"
openssl pkey -in "$work/ours" -noout
openssl pkey -in "$work/ours" -pubout | cmp - "$work/ours.pub"
"$PRICEWRIGHT" journal seal "$dir" --sign "$work/ours"

openssl genpkey -algorithm ed25519 -out "$work/theirs"
openssl pkey -in "$work/theirs" -pubout -out "$work/theirs.pub"
"$PRICEWRIGHT" journal seal "$dir" --sign "$work/theirs"

for number in 1 2; do
    key="$work/ours.pub"
    [ "$number" = 1 ] || key="$work/theirs.pub"
    seal="$dir/seal-0000000$number"
    openssl pkeyutl -verify -pubin -inkey "$key" -rawin -in "$seal.txt" -sigfile "$seal.sig"
    "$PRICEWRIGHT" journal verify "$dir" --key "$key"
done
python3 replay-data/journal-v1/check_chain.py
echo "openssl: agrees"
