package fetch

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// TestInsteadAtItsEdges holds the beginnings that tell a page or an error from a document, to the byte.
func TestInsteadAtItsEdges(t *testing.T) {
	code := func(c string) string { return "<Error><Code>" + c + "</Code></Error>" }
	const coded, plain, xml, page, inJSON = "an error of a storage server in XML (%)", "an error of a storage server in XML", "an XML document", "a web page", "an error in JSON"
	for body, want := range map[string]string{
		code("aAzZ09.x"): strings.Replace(coded, "%", "aAzZ09.x", 1), code(""): plain, code(strings.Repeat("a", 64)): strings.Replace(coded, "%", strings.Repeat("a", 64), 1), code(strings.Repeat("a", 65)): plain,
		code("a`"): plain, code("a{"): plain, code("a@"): plain, code("a["): plain, code("a/"): plain, code("a:"): plain, code("a-b"): plain, code("é"): plain,
		"<Error><Code>x": plain, "<Error": "", "<Error>": plain, "<Error/>": plain, "<Error\tx='y'>": plain, "<Errorx>": "", "<ERROR>": plain, "Error>": "", "<:Error>": "", "<a:Error>": plain, "<a:b:Error>": "", "<a Error>": "",
		"<?xml version='1.0'?>": xml, "<?xml ": xml, "<?xml": "", "<?xmlx ?>": "", "<?XML\n?><x/>": xml, "<?xml\t?><html>": page, "<?xml ?><!-- a --><!-- b --><head>": page, "<?xml ?><!-- <html>": xml,
		"<ListBucketResult>": xml, "<EnumerationResults>": xml, "<x:EnumerationResults/>": xml, "<Listing>": "",
		"<html": page, "<HTML>": page, "<htm": "", "<!DOCTYPE HTML": page, "<!doctype xml": "", "<body": page, "<meta": page, "<title": page, "<script": page, "<style": page, "<div>": "",
		"\xef\xbb\xbf \t\r\n\f\v<html>": page, "<!-- a --> <!-- b --><html>": page, "<!-- a <html>": "", "x<html>": "", "<!-- a --> x": "",
		`{"error":1}`: inJSON, `{"errors":1}`: inJSON, "{ \r\n\t\"error\" \t:1}": inJSON, `{"error":`: "", `{"error"}`: "", `{"errorx":1}`: "", `{"x":1,"error":2}`: "", `["error":1]`: "", `{error:1}`: "", `{}`: "",
		"abcde f": "", "a text --> <html>": "", "-->": "", "x:Error>": "",
		"": "", " ": "", strings.Repeat(" ", 3*maxHead) + "<html>": "",
		strings.Repeat(" ", maxHead) + "<html>": page,
	} {
		if got := Instead([]byte(body)); got != want {
			t.Errorf("%.40q: %q, want %q", body, got, want)
		}
	}
}

// TestPagesInPieces holds that a body is looked at in however small pieces it comes, that nothing
// of it is lost, and that its error comes where it came.
func TestPagesInPieces(t *testing.T) {
	failed := errors.New("failed")
	long := strings.Repeat("a document, ", 200)
	for _, body := range []string{"", "x", strings.Repeat("x", maxHead-1), strings.Repeat("x", maxHead), strings.Repeat("x", maxHead+1), long, "<html>" + long, "<Error/>"} {
		for name, wrap := range map[string]func(io.Reader) io.Reader{"whole": func(r io.Reader) io.Reader { return r }, "by bytes": iotest.OneByteReader, "by halves": iotest.HalfReader, "with its end": iotest.DataErrReader} {
			for _, end := range []error{nil, failed} {
				src := io.Reader(strings.NewReader(body))
				if end != nil {
					src = io.MultiReader(src, iotest.ErrReader(end))
				}
				got, err := io.ReadAll(iotest.OneByteReader(&pageReader{Reader: wrap(src)}))
				if strings.HasPrefix(body, "<") {
					if !errors.Is(err, errPage) || len(got) > 0 || errors.Is(err, failed) {
						t.Errorf("%.20q %s: %q %v", body, name, got, err)
					}
					continue
				}
				if string(got) != body || !errors.Is(err, end) {
					t.Errorf("%.20q of %d bytes, %s: %d bytes, %v", body, len(body), name, len(got), err)
				}
			}
		}
	}
	once := &pageReader{Reader: &failsOnce{err: failed}}
	if n, err := once.Read(make([]byte, 9)); n != 0 || !errors.Is(err, failed) {
		t.Errorf("an error while a body was looked at: %d %v", n, err)
	}
	if errors.Is(&pageError{"x"}, failed) {
		t.Error("a page is any error")
	}
}

// failsOnce gives an error, and then goes on as if nothing had been.
type failsOnce struct {
	err  error
	done bool
}

func (f *failsOnce) Read(p []byte) (int, error) {
	if f.done {
		return copy(p, "more"), nil
	}
	f.done = true
	return 0, f.err
}
