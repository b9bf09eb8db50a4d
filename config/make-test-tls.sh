#!/bin/sh
# Makes a throw-away test CA and a certificate for tests and demos, in the directory named (default: tls beside this
# script). Nothing is done when all files are there. For tests only: the CA key is thrown away at once, and anybody
# who can read this directory can be sbc.example.test.
set -eu
umask 077

directory=${1:-$(dirname "$0")/tls}
name=sbc.example.test
days=825

if [ -s "$directory/ca.pem" ] && [ -s "$directory/sbc.crt" ] && [ -s "$directory/sbc.key" ] &&
  openssl x509 -in "$directory/sbc.crt" -noout -checkend 86400 >/dev/null; then
  exit 0
fi

mkdir -p "$directory"
work=$(mktemp -d "$directory/.making.XXXXXX")
trap 'rm -rf "$work"' EXIT INT TERM

cat >"$work/ca.cnf" <<CNF
[req]
distinguished_name = subject
prompt = no
x509_extensions = ca
[subject]
CN = Sallyport test CA: trust nothing that shows this
[ca]
basicConstraints = critical, CA:TRUE, pathlen:0
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[sbc]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth, clientAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = DNS:$name, URI:sip:$name, IP:127.0.0.1
CNF

openssl ecparam -name prime256v1 -genkey -noout -out "$work/ca.key"
openssl req -x509 -new -key "$work/ca.key" -sha256 -days "$days" -config "$work/ca.cnf" -out "$work/ca.pem"
openssl ecparam -name prime256v1 -genkey -noout |
  openssl pkcs8 -topk8 -nocrypt -out "$work/sbc.key"
openssl req -new -key "$work/sbc.key" -subj "/CN=$name" -config "$work/ca.cnf" -out "$work/sbc.csr"
openssl x509 -req -in "$work/sbc.csr" -CA "$work/ca.pem" -CAkey "$work/ca.key" -set_serial "0x$(openssl rand -hex 16)" \
  -sha256 -days "$days" -extfile "$work/ca.cnf" -extensions sbc -out "$work/sbc.crt" 2>/dev/null

# Certificates may be read by test programs of other users; the key may not.
chmod 644 "$work/ca.pem" "$work/sbc.crt"
mv "$work/sbc.key" "$work/sbc.crt" "$work/ca.pem" "$directory/"
chmod 755 "$directory"
echo "made a test CA and a certificate for $name in $directory (for tests only)"
