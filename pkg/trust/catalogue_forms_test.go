package trust_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/trust"
)

func sum(digit string) string { return "sha256:" + strings.Repeat(digit, 64) }

// Every word of a catalogue has one form, and a line that is of another kind is not passed over:
// what it would have said would be missing, and nobody would know.
func TestCatalogueForms(t *testing.T) {
	const head = "kverify-catalogue 1\n"
	source, row := "source a.b github.com/x/y z.yaml unrecorded "+sum("0")+"\n", "row coredns/coredns v1.9.3 linux/arm64 "+sum("1")+" a.b\n"
	for _, tt := range []struct{ name, old, new, says string }{
		{"as it is", "", "", ""},
		{"a commit", "unrecorded", strings.Repeat("0a", 20), ""},
		{"a remark in the middle", row, "# remark\n" + row, ""},
		{"a tag of 128 characters", "v1.9.3", strings.Repeat("a", 128), ""},
		{"a tag of 129", "v1.9.3", strings.Repeat("a", 129), "want image, tag, platform and digest"},
		{"a tag with a colon", "v1.9.3", "a:b", "want image, tag, platform and digest"},
		{"a remark for a head", head, "# remark\n" + head, "line 2: neither a source nor a row"},
		{"a source of five words", " z.yaml", "", "line 2: neither a source nor a row"},
		{"a row of seven", row, strings.TrimSpace(row) + " x\n", "line 3: neither a source nor a row"},
		{"six words that are of another kind", "row ", "rows ", "line 3: neither a source nor a row"},
		{"six other words where a source stands", "source ", "Source ", "line 2: neither a source nor a row"},
		{"an id that is no name", "source a.b ", "source a/b ", `source "a/b": want an id`},
		{"no repository", " github.com/x/y", " ", `source "a.b": want an id`},
		{"no path", " z.yaml", " ", `source "a.b": want an id`},
		{"a short commit", "unrecorded", "25d18949f7b8", `source "a.b": want an id`},
		{"a source without a digest", sum("0"), "sha512:00", `source "a.b": want an id`},
		{"a row without a digest", sum("1"), "sha256:1", "want image, tag, platform and digest"},
		{"an image that is no name", "coredns/coredns", "coredns//coredns", "want image, tag, platform and digest"},
		{"a platform that is no name", "linux/arm64", "linux", "want image, tag, platform and digest"},
		{"a row of nobody", sum("1") + " a.b", sum("1") + " a.c", `there is no source "a.c"`},
	} {
		text := strings.Replace(head+source+row, tt.old, tt.new, 1)
		c, err := trust.ParseCatalogue([]byte(text))
		if (err == nil) != (tt.says == "") || err != nil && !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v; want %q", tt.name, err, tt.says)
		}
		if err == nil && (c.Source().Digest != string(oci.DigestOf([]byte(text))) || c.Source().Embedded || len(c.Rows()) != 1 || len(c.Sources()) != 1) {
			t.Errorf("%s: source %+v, %d rows", tt.name, c.Source(), len(c.Rows()))
		}
	}
	if _, err := trust.ParseCatalogue([]byte(head + strings.Repeat("#\n", 4<<20))); err == nil || !strings.Contains(err.Error(), "more than 8388608 bytes") {
		t.Errorf("of 8 MiB and more: %v", err)
	}
	if _, err := trust.ParseCatalogue([]byte(head + source + row + strings.Repeat("#", 8<<20-len(head+source+row)))); err != nil {
		t.Errorf("of 8 MiB: %v", err)
	}
}

// Of rows that come from several sources one catalogue is made: in the order of versions, each row
// once, and a tag that two sources give two digests is no row of either.
func TestNewCatalogue(t *testing.T) {
	of := func(id string) trust.CatalogueSource {
		return trust.CatalogueSource{ID: id, Repository: "github.com/x/y", Path: "z.yaml", Commit: "unrecorded", Digest: oci.Digest(sum("0"))}
	}
	row := func(words string, digit string) trust.CatalogueRow {
		w := strings.Fields(words)
		return trust.CatalogueRow{Image: w[0], Tag: w[1], Platform: w[2], Digest: oci.Digest(sum(digit)), Source: w[3]}
	}
	sorted := []trust.CatalogueRow{
		row("kube-proxy v1.27.2 index a", "1"), row("kube-proxy v1.27.2 linux/amd64 a", "2"), row("kube-proxy v1.27.2 linux/arm64 b", "2"),
		row("kube-proxy v1.27.10 index b", "3"), row("kube-proxy 3.5-a index a", "4"), row("kube-proxy 3.5-b index a", "4"),
		row("kube-scheduler v1.27.2 index a", "1"),
	}
	mixed := append(slices.Clone(sorted), row("kube-proxy v1.27.2 index b", "1")) // a second time, from the source that sorts last
	for range mixed {
		mixed = append(mixed[1:], mixed[0])
		if c, err := trust.NewCatalogue([]trust.CatalogueSource{of("b"), of("a")}, mixed); err != nil || !slices.Equal(c.Rows(), sorted) {
			t.Errorf("in another order: %v", err)
		}
	}
	slices.Reverse(mixed)
	c, err := trust.NewCatalogue([]trust.CatalogueSource{of("b"), of("a")}, mixed)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(c.Rows(), sorted) {
		t.Errorf("rows %v", c.Rows())
	}
	if s := c.Sources(); len(s) != 2 || s[0].ID != "a" || s[1].ID != "b" {
		t.Errorf("sources %v", s)
	}
	if c.Source().Digest != string(oci.DigestOf(c.Text())) {
		t.Errorf("%+v", c.Source())
	}
	if again, err := trust.NewCatalogue(c.Sources(), mixed); err != nil || !bytes.Equal(again.Text(), c.Text()) {
		t.Errorf("put together again: %v", err)
	}
	want := []trust.Coverage{{Image: "kube-proxy", First: "v1.27.2", Last: "3.5-b", Tags: 4, Children: 2}, {Image: "kube-scheduler", First: "v1.27.2", Last: "v1.27.2", Tags: 1}}
	if got := c.Coverage(); !slices.Equal(got, want) {
		t.Errorf("coverage %+v", got)
	}
	if got := c.Tags("kube-proxy", "linux/amd64", oci.Digest(sum("1"))); len(got) > 0 {
		t.Errorf("a digest of the index is one of a platform: %v", got)
	}
	if got, ok := c.Row("kube-proxy", "v1.27.2", "linux/s390x"); ok || got != (trust.CatalogueRow{}) {
		t.Errorf("it is not in it: %+v", got)
	}
	if got := c.Describe(trust.CatalogueRow{Source: "elsewhere"}); got != "elsewhere" {
		t.Errorf("%q", got)
	}
	if _, err := trust.NewCatalogue([]trust.CatalogueSource{of("a")}, []trust.CatalogueRow{row("kube-proxy v1.27.2 index a", "1"), row("kube-proxy v1.27.2 index a", "2")}); err == nil || !strings.Contains(err.Error(), "kube-proxy v1.27.2 index is "+sum("1")+" by a, and "+sum("2")+" by a") {
		t.Errorf("a tag with two digests: %v", err)
	}
}
