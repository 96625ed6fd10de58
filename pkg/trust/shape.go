package trust

import (
	"bytes"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"github.com/kverify/kverify/internal/lazyregexp"
)

// MaxTogether is how many bundles or roots one file may hold, a JSON document a
// line; real ones have two or three.
const MaxTogether = 64

// Documents splits a file that holds several JSON documents, one after the other
// ("JSON Lines"). A file of one document, or of none that can be read, is given
// back whole.
func Documents(text []byte) ([][]byte, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	var list [][]byte
	for d.More() {
		var one json.RawMessage
		if d.Decode(&one) != nil {
			return [][]byte{text}, nil //nolint:nilerr // the reader of the text says what is wrong with it
		}
		if list = append(list, one); len(list) > MaxTogether {
			return nil, fmt.Errorf("it holds more than %d JSON documents", MaxTogether)
		}
	}
	if len(list) < 2 {
		return [][]byte{text}, nil
	}
	return list, nil
}

// shapes tells Sigstore's files apart by a member that only they have.
var shapes = []struct{ member, name string }{
	{"base64Signature", "the bundle of cosign 1 and 2 (write one of the format with a mediaType: cosign sign-blob --new-bundle-format)"},
	{"SignedEntryTimestamp", "the log entry of an image's signature, not a bundle"},
	{"rekorTlogUrls", "a Sigstore signing config, which says where to sign and nothing of whom to trust"},
	{"caUrls", "a Sigstore signing config, which says where to sign and nothing of whom to trust"},
	{"caUrl", "a Sigstore signing config, which says where to sign and nothing of whom to trust"},
	{"signingConfig", "a Sigstore client trust config; its member trustedRoot is the trusted root"},
	{"signatures", "metadata of a TUF repository (kverify trust update --tuf-root reads its root)"},
	{"verificationMaterial", "a Sigstore bundle"},
	{"certificateAuthorities", "a Sigstore trusted root"},
	{"tlogs", "a Sigstore trusted root"},
	{"payloadType", "a DSSE envelope without a bundle around it"},
	{"predicateType", "an in-toto statement that is not signed"},
	{"critical", "the payload of an image's signature"},
	{"spdxVersion", "an SBOM"},
	{"auths", "a file of credentials"},
}

// Shape says what a file of Sigstore seems to be, by its media type or members,
// in words for a message; empty if it cannot be told.
func Shape(text []byte) string {
	text = bytes.TrimSpace(bytes.TrimPrefix(text, []byte("\xef\xbb\xbf")))
	if block, _ := pem.Decode(text); block != nil {
		return fmt.Sprintf("PEM (%.40s)", strings.Trim(fmt.Sprintf("%+q", block.Type), `"`))
	}
	var members map[string]json.RawMessage
	d := json.NewDecoder(bytes.NewReader(text))
	if d.Decode(&members) != nil {
		switch {
		case len(text) == 0:
			return "empty"
		case text[0] == '[':
			return "a JSON list"
		case text[0] == '{':
			return "JSON that breaks off or is malformed"
		case bytes.HasPrefix(text, []byte("<")):
			return "a web page"
		}
		return "not JSON"
	}
	var mediaType string
	if json.Unmarshal(members["mediaType"], &mediaType) == nil {
		for part, name := range map[string]string{
			"sigstore.signingconfig": "a Sigstore signing config, which says where to sign and nothing of whom to trust", "sigstore.trustedroot": "a Sigstore trusted root",
			"sigstore.clienttrustconfig": "a Sigstore client trust config; its member trustedRoot is the trusted root", "sigstore.bundle": "a Sigstore bundle",
		} {
			if strings.Contains(mediaType, part) {
				return name
			}
		}
	}
	for _, s := range shapes {
		if _, ok := members[s.member]; ok {
			return s.name
		}
	}
	return ""
}

var (
	readerWords = strings.NewReplacer("\u00a0", " ", "syntax error (", "(", "invalid character", "unexpected character")
	readerPlace = lazyregexp.New(`\(line ([0-9]+):[0-9]+\): `)
)

// PlainError words what a JSON reader says of a file of Sigstore: without the
// names of Go's types, and with a hint where a later Sigstore made the file. What
// was wanted, such as "a Sigstore trusted root", is compared with its [Shape].
func PlainError(text []byte, wanted string, err error) error {
	if shape := Shape(text); shape != "" && shape != wanted {
		return fmt.Errorf("it is %s", shape)
	}
	// protojson puts a no-break space into some of its messages, at random.
	said := readerWords.Replace(err.Error())
	if _, after, ok := strings.Cut(said, "proto:"); ok {
		said = strings.TrimSpace(after)
	}
	said = readerPlace().ReplaceAllString(said, "line $1: ")
	var kind *json.UnmarshalTypeError
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &kind):
		return fmt.Errorf("its %q has a form that it cannot have (%s)", kind.Field, kind.Value)
	case errors.As(err, &syntax):
		return fmt.Errorf("malformed JSON at byte %d", syntax.Offset)
	case strings.Contains(said, "unknown field"), strings.Contains(said, "media type"), strings.Contains(said, "invalid value for enum"):
		return fmt.Errorf("%s: made by a later Sigstore than this kverify knows, or altered; update kverify", said)
	}
	if said != err.Error() {
		return errors.New(said)
	}
	return err
}
