package render

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	generator "github.com/google/jsonschema-go/jsonschema"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/kverify/kverify/pkg/report"
)

const schemaFile = "../../docs/report.schema.json"

// generated is the schema of what [JSON] writes, made of its types.
func generated(t *testing.T) []byte {
	t.Helper()
	words := func(list ...any) *generator.Schema { return &generator.Schema{Type: "string", Enum: list} }
	types := map[reflect.Type]*generator.Schema{
		reflect.TypeFor[report.Verdict]():  words("unknown", "verified", "refuted"),
		reflect.TypeFor[report.Strength](): words("carried", "vouched", "published", "embedded", "signed"),
		reflect.TypeFor[time.Time]():       {Type: "string", Format: "date-time"},
	}
	evidence, err := generator.For[[]report.Evidence](&generator.ForOptions{TypeSchemas: types})
	if err != nil {
		t.Fatal(err)
	}
	types[reflect.TypeFor[report.EvidenceList]()] = evidence
	s, err := generator.For[jsonReport](&generator.ForOptions{TypeSchemas: types})
	if err != nil {
		t.Fatal(err)
	}
	open(s)
	s.Schema = "https://json-schema.org/draft/2020-12/schema"
	s.ID = homepage + "/docs/report.schema.json"
	s.Title = "A report of kverify, as -o json writes it"
	s.Description = "Fields may be added under the same schemaVersion, and readers ignore those they do not know. The Go documentation of pkg/report says what each means."
	s.Properties["schemaVersion"] = &generator.Schema{Const: new(any(report.SchemaVersion))}
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return append(b, '\n')
}

// open lets objects have further members, which is the rule of compatibility, and no
// list be null, which none is.
func open(s *generator.Schema) {
	if s == nil {
		return
	}
	if len(s.Types) == 2 && s.Types[0] == "null" {
		s.Type, s.Types = s.Types[1], nil
	}
	slices.Sort(s.Required)
	s.Required = slices.Compact(s.Required)
	if s.Properties != nil {
		s.AdditionalProperties = nil
	}
	for _, p := range s.Properties {
		open(p)
	}
	open(s.Items)
}

// TestSchema holds the published schema to the types that are written.
func TestSchema(t *testing.T) {
	want := generated(t)
	if *update {
		if err := os.WriteFile(schemaFile, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not what the types say: go test ./internal/render -run TestSchema -update writes it anew", schemaFile)
	}
	refused := decoded(t, write(t, mixed(), "json")).(map[string]any)
	for name, change := range map[string]func(map[string]any){
		"a verdict": func(o map[string]any) { o["verdict"] = "fine" },
		"counts":    func(o map[string]any) { delete(o, "counts") },
		"a check":   func(o map[string]any) { o["results"].([]any)[0].(map[string]any)["checks"] = "all" },
		"version":   func(o map[string]any) { o["schemaVersion"] = 2.0 },
	} {
		again := decoded(t, write(t, mixed(), "json")).(map[string]any)
		change(again)
		if reportSchema(t).Validate(again) == nil {
			t.Errorf("%s: the schema holds nothing", name)
		}
	}
	refused["more"] = "to come"
	if err := reportSchema(t).Validate(refused); err != nil {
		t.Errorf("a further member: %v", err)
	}
}

var compiled = sync.OnceValues(func() (*jsonschema.Schema, error) {
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	file, err := filepath.Abs(schemaFile)
	if err != nil {
		return nil, err
	}
	return c.Compile(file)
})

// reportSchema is the published schema.
func reportSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	s, err := compiled()
	if err != nil {
		t.Fatal(err)
	}
	return s
}
