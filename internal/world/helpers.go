package world

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
)

// compactJSON is JSON as most servers write it: no spaces, no escaped HTML.
func compactJSON(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	must(enc.Encode(v))
	return bytes.TrimRight(b.Bytes(), "\n")
}

func hexSHA256(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func digestOf(b []byte) string { return "sha256:" + hexSHA256(b) }

func b64(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// must is for errors that only a mistake in this package can cause.
func must(err error) {
	if err != nil {
		panic(fmt.Sprintf("world: %v", err))
	}
}

var sprintf = fmt.Sprintf
