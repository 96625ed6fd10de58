package strictjson_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/kverify/kverify/internal/strictjson"
)

// No word of the program's types reaches who reads an error.
func TestPlain(t *testing.T) {
	for text, say := range map[string]string{
		``:                        "is empty, or ends too early",
		`{"list":[`:               "ends too early",
		`[]`:                      "it is a JSON array, and should be an object",
		`7`:                       "it is a JSON number",
		`{"list":{}}`:             `its "list" cannot be of the kind object`,
		`{"list":[{"name":[]}]}`:  `its "name" cannot be of the kind array`,
		`{"list":[{"name":1e9}]}`: `its "name" cannot be of the kind number`,
		`{"sum":"!"}`:             "base64",
		`<html>`:                  "not a JSON document",
		"\xef\xbb\xbf{}":          "not a JSON document",
	} {
		var doc struct {
			List []struct {
				Name string `json:"name"`
			} `json:"list"`
			Sum []byte `json:"sum"`
		}
		cause := json.NewDecoder(strings.NewReader(text)).Decode(&doc)
		err := strictjson.Plain(cause)
		if err == nil || !strings.Contains(err.Error(), say) || !errors.Is(err, cause) {
			t.Errorf("%s: %v", text, err)
			continue
		}
		for _, word := range []string{"Go ", "json:", "struct", "unmarshal", "EOF"} {
			if strings.Contains(err.Error(), word) {
				t.Errorf("%s: %v", text, err)
			}
		}
	}
	if other := errors.New("x"); !errors.Is(strictjson.Plain(other), other) || strictjson.Plain(nil) != nil {
		t.Error("another error is changed")
	}
}
