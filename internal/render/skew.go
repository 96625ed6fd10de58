package render

import (
	"fmt"
	"io"
	"strings"

	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/support"
)

// SkewFormats are the formats of [Skew] and [Upgrade].
var SkewFormats = []string{"table", "json", "yaml"}

// Skew writes what the version skew policy says of a cluster, in one of the SkewFormats.
func Skew(w io.Writer, s support.Skew, format string, o Options) error {
	if format != "table" {
		return writeDocument(w, format, struct {
			SchemaVersion int    `json:"schemaVersion"`
			Supported     bool   `json:"supported"`
			Policy        string `json:"policy"`
			support.Skew
		}{report.SchemaVersion, s.Supported(), support.PolicyURL, s})
	}
	t := &table{Options: o}
	var rows []gridRow
	var rules []string
	broken := 0
	for _, f := range s.Findings {
		row := gridRow{cells: []string{string(f.Component), f.Minor.String(), "yes", minorRange(f.Allowed)}}
		if len(f.Rules) == 0 {
			row.cells[3] = "-" // nothing but rules of others speaks of it
		}
		if !f.Supported {
			broken++
			row.cells[2] = "no"
		}
		var why []string
		for _, v := range f.Violations {
			why = append(why, v.Why)
		}
		row.below = strings.Join(why, ", and ")
		rows = append(rows, row)
		for _, r := range f.Rules {
			mark := "rule"
			for _, v := range f.Violations {
				if v.Rule == r {
					mark = "FAIL"
				}
			}
			rules = append(rules, mark+" "+r.Sentence)
		}
	}
	writeGrid(&t.buf, []string{"COMPONENT", "VERSION", "SUPPORTED", "ALLOWED"}, rows, o)
	t.line("")
	seen := map[string]bool{}
	for _, rule := range rules {
		if mark, sentence, _ := strings.Cut(rule, " "); !seen[rule] {
			style := dim
			if mark == "FAIL" {
				style = red
			}
			t.wrapped("  ", mark, style, sentence)
		}
		seen[rule] = true
	}
	t.line("")
	verdict, style := fmt.Sprintf("SUPPORTED  %d component versions go together", len(s.Findings)), green
	if !s.Supported() {
		verdict, style = fmt.Sprintf("NOT SUPPORTED  %d of %d component versions", broken, len(s.Findings)), red
	}
	t.last(t.paint(bold+style, verdict) + " (" + support.PolicyURL + ")")
	_, err := w.Write(t.buf.Bytes())
	return err
}

// minorRange writes minors that follow one another, oldest first.
func minorRange(list []support.Minor) string {
	switch n := len(list); n {
	case 0:
		return "none fits"
	case 1:
		return list[0].String()
	default:
		return list[0].String() + " to " + list[n-1].String()
	}
}

// Upgrade writes the steps of an upgrade, in one of the SkewFormats.
func Upgrade(w io.Writer, from, to support.Minor, steps []support.Step, format string, o Options) error {
	if format != "table" {
		return writeDocument(w, format, struct {
			SchemaVersion int            `json:"schemaVersion"`
			From          support.Minor  `json:"from"`
			To            support.Minor  `json:"to"`
			Policy        string         `json:"policy"`
			Steps         []support.Step `json:"steps"`
		}{report.SchemaVersion, from, to, support.PolicyURL, append([]support.Step{}, steps...)})
	}
	t := &table{Options: o}
	if len(steps) == 0 {
		t.line(fmt.Sprintf("%s to %s is not a change of the minor version: the policy orders nothing", from, to))
	}
	for i, s := range steps {
		var names []string
		for _, c := range s.Components {
			names = append(names, string(c))
		}
		head := fmt.Sprintf("%d. %s to %s", i+1, strings.Join(names, ", "), s.To)
		if s.Optional {
			head += " (or left at " + minorRange(s.MayStay) + ")"
		}
		t.line(t.paint(bold, head))
		for _, b := range s.Before {
			t.wrapped("   ", "when", dim, b)
		}
		for _, n := range s.Notes {
			t.wrapped("   ", "note", dim, n)
		}
	}
	t.line("(" + support.PolicyURL + ")")
	_, err := w.Write(t.buf.Bytes())
	return err
}

func writeDocument(w io.Writer, format string, value any) error {
	if format == "yaml" {
		return writeYAML(w, value)
	}
	return writeJSON(w, value)
}
