package strictjson_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/kverify/kverify/internal/strictjson"
)

// Two names that encoding/json takes for one are refused, at any depth and however written.
func TestCheckRefusesNamesThatFoldToOne(t *testing.T) {
	for _, doc := range []string{
		`{"a":1,"a":2}`, `{"a":1,"A":2}`, `{"result":1,"re\u017fult":2}`, `{"reſult":1,"result":2}`, `{"key":1,"\u212aey":2}`,
		`{"Key":1,"kEY":2}`, `{"a":1,"\u0061":2}`, `{"":1,"":2}`, `[{"b":{"c":[{"d":1,"D":1}]}}]`, `{"x":{"a":1},"y":[],"X":1}`,
		`{"\ud800":1,"\ud801":2}`, `{"É":1,"é":2}`, `{"a":",{\"","A":1}`,
	} {
		var e *strictjson.Error
		if err := strictjson.Check([]byte(doc)); !errors.As(err, &e) || !strings.Contains(e.Why, "appears twice") {
			t.Errorf("%s: %v", doc, err)
		}
	}
	for _, doc := range []string{
		`{}`, `[]`, `"a"`, `1`, ` {"a":{"a":{"a":1}},"b":[{"a":1},{"a":1}]} `, `["a","a"]`, `{"a":"a","b":"a"}`, `{"a":"b","b":"a"}`,
		`{"a\\":1,"a":2}`, `{"a":["a",{"a":1},"a"],"b":1}`, `{"ss":1,"ß":2}`, `{"i":1,"ı":2}`,
	} {
		if err := strictjson.Check([]byte(doc)); err != nil {
			t.Errorf("%s: %v", doc, err)
		}
	}
	for _, doc := range []string{"", "{", `{"a":1}{}`, `{"a":1} x`, `{a:1}`, "\"\xff\"", `{"a":1,}`, strings.Repeat("[", 65) + strings.Repeat("]", 65)} {
		if strictjson.Check([]byte(doc)) == nil {
			t.Errorf("%.40q: taken", doc)
		}
	}
	if err := strictjson.Check([]byte(strings.Repeat("[", 64) + strings.Repeat("]", 64))); err != nil {
		t.Error(err)
	}
}

// A large object before many small ones costs no more than its size.
func TestCheckIsLinear(t *testing.T) {
	var b strings.Builder
	b.WriteString(`[{`)
	for i := range 100_000 {
		fmt.Fprintf(&b, `"k%d":0,`, i)
	}
	b.WriteString(`"z":0}` + strings.Repeat(`,{"a":1}`, 200_000) + `]`)
	began := time.Now()
	if err := strictjson.Check([]byte(b.String())); err != nil {
		t.Fatal(err)
	}
	if d := time.Since(began); d > 10*time.Second {
		t.Errorf("%s", d)
	}
}

// Whatever passes is JSON of which encoding/json reads every member, and two
// names of one object never fill one field.
func FuzzCheck(f *testing.F) {
	for _, s := range []string{`{"result":1,"reſult":2}`, `{"a":[{"\u0062":"}"}]}`, `{"s":1,"S":1}`, `{"k":{"K":1},"x":1}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		if strictjson.Check(doc) != nil {
			return
		}
		if !json.Valid(doc) {
			t.Fatal("no JSON")
		}
		members, err := strictjson.Object(doc)
		if err != nil {
			return // no object
		}
		var s struct{ Result, Key, S, K json.RawMessage }
		if err := json.Unmarshal(doc, &s); err != nil {
			t.Fatal(err)
		}
		folded := map[string]string{}
		for name := range members {
			if old, ok := folded[strictjson.Fold(name)]; ok {
				t.Fatalf("%q and %q are one", old, name)
			}
			folded[strictjson.Fold(name)] = name
		}
		for field, got := range map[string]json.RawMessage{"Result": s.Result, "Key": s.Key, "S": s.S, "K": s.K} {
			if name, ok := folded[strictjson.Fold(field)]; ok && string(got) != string(members[name]) {
				t.Fatalf("%s is %s, and member %q is %s", field, got, name, members[name])
			}
		}
	})
}

func TestTwin(t *testing.T) {
	for name, want := range map[string]bool{
		"disk": false, "Disk": true, "DISK": true, "dis\u212a": true, "di\u017fk": true, "DI\u017f\u212a": true,
		"": false, "dis": false, "disks": false, "dish": false, "d\u0131sk": false, "di\xffk": false,
	} {
		var one struct {
			Disk string `json:"disk"`
		}
		if err := json.Unmarshal(fmt.Appendf(nil, `{"%s":"x"}`, name), &one); err != nil {
			t.Fatal(err)
		}
		if got := strictjson.Twin(name, "disk"); got != want || (one.Disk == "x") != (want || name == "disk") {
			t.Errorf("%q: %v, and encoding/json reads %q", name, got, one.Disk)
		}
	}
}
