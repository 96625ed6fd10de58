package sigstore

// ParseTimestamp reads an RFC 3161 timestamp, without the cryptography that follows.
var ParseTimestamp = parseTimestamp
