package fetch_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/kverify/kverify/pkg/fetch"
)

// What stands instead of a document with a status of success is told by how it
// begins; what only mentions a page, or is a document of ours, is not.
func TestInstead(t *testing.T) {
	const error1 = "<Error><Code>NoSuchKey</Code><Message>The specified key does not exist.</Message></Error>"
	for _, c := range []struct{ name, body, want string }{
		{"Google", "<?xml version='1.0' encoding='UTF-8'?>" + error1, "in XML (NoSuchKey)"},
		{"Amazon", "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n" + error1, "in XML (NoSuchKey)"},
		{"Azure", "\ufeff<?xml version=\"1.0\" encoding=\"utf-8\"?><Error><Code>BlobNotFound</Code><Message>x</Message></Error>", "in XML (BlobNotFound)"},
		{"no declaration", error1, "in XML (NoSuchKey)"},
		{"a namespace", "<Error xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Code>SlowDown</Code></Error>", "in XML (SlowDown)"},
		{"a prefix", "<s3:Error><s3:Code>x</s3:Code></s3:Error>", "in XML"},
		{"spaces and a comment", " \n<?xml version='1.0'?>\n<!-- x -->\n" + error1, "in XML (NoSuchKey)"},
		{"no code", "<?xml version='1.0'?><Error/>", "in XML"},
		{"a code for a terminal", "<Error><Code>\x1b[31m</Code></Error>", "in XML"},
		{"a code without end", "<Error><Code>" + strings.Repeat("x", 2000), "in XML"},
		{"a listing", "<?xml version='1.0'?><ListBucketResult><Name>x</Name></ListBucketResult>", "an XML document"},
		{"a listing, no declaration", "<ListBucketResult xmlns='x'>", "an XML document"},
		{"any XML", "<?xml version='1.0'?><x/>", "an XML document"},
		{"a declaration without end", "<?xml " + strings.Repeat("x", 2000), "an XML document"},
		{"XHTML", "<?xml version='1.0'?>\n<!DOCTYPE html><html></html>", "a web page"},
		{"a page", "\n<HTML>", "a web page"},
		{"a comment before a page", "<!-- proxy -->\n<!doctype html>", "a web page"},
		{"a page without a head", "<script>location='/login'</script>", "a web page"},
		{"Google's JSON API", "{\n  \"error\": {\n    \"code\": 404,\n    \"message\": \"No such object\"\n  }\n}", "an error in JSON"},
		{"a registry", `{"errors":[{"code":"MANIFEST_UNKNOWN"}]}`, "an error in JSON"},
		{"Artifactory, marked", "\ufeff{\n \"errors\" : [ {\n \"status\" : 404 } ]\n}", "an error in JSON"},
		{"a statement", `{"_type":"https://in-toto.io/Statement/v1","error":{}}`, ""},
		{"a key that begins so", `{"errorless":1}`, ""},
		{"a text", `"error": 1`, ""},
		{"no value", `{"error"`, ""},
		{"JSON", `{"Error":"<Error>"}`, ""},
		{"SPDX", "SPDXVersion: SPDX-2.3\n<?xml version='1.0'?>", ""},
		{"a CHANGELOG", "<!-- BEGIN MUNGE: GENERATED_TOC -->\n<Error>", ""},
		{"a word", "<Errors>", ""},
		{"another declaration", "<?xmlish ?>", ""},
		{"no end of a name", "<Error", ""},
		{"a program", "\x7fELF", ""},
		{"nothing", "", ""},
	} {
		if got := fetch.Instead([]byte(c.body)); (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q", c.name, got)
		}
	}
}

func FuzzInstead(f *testing.F) {
	f.Add([]byte("<!doctype html>"))
	f.Add([]byte("<?xml version='1.0'?><!-- x --><Error><Code>NoSuchKey</Code></Error>"))
	f.Add([]byte("<a:Error>"))
	f.Add([]byte("{}"))
	f.Add([]byte("{ \"errors\": []}"))
	f.Fuzz(func(t *testing.T, b []byte) {
		what := fetch.Instead(b)
		if (fetch.LooksLikeHTML(b) || what != "") && !bytes.ContainsAny(b, "<{") || fetch.LooksLikeHTML(b) && what != "a web page" {
			t.Errorf("%q: %q", b, what)
		}
		if len(what) > 200 || strings.ContainsFunc(what, func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Errorf("%q must not be printed", what)
		}
	})
}
