package describe

import (
	"fmt"
	"io"
	"strings"

	"github.com/kverify/kverify/internal/render/encode"
	"github.com/kverify/kverify/internal/render/terminal"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/support"
)

// SkewFormats are the formats of [Skew] and [Upgrade].
var SkewFormats = []string{"table", "json", "yaml"}

// Skew writes what the version skew policy says of a cluster, in one of the SkewFormats.
func Skew(w io.Writer, s support.Skew, format string, o terminal.Options) error {
	if format != "table" {
		return encode.As(w, struct {
			SchemaVersion int    `json:"schemaVersion"`
			Supported     bool   `json:"supported"`
			Policy        string `json:"policy"`
			support.Skew
		}{report.SchemaVersion, s.Supported(), support.PolicyURL, s}, format)
	}
	p := &terminal.Page{Options: o}
	var rows []terminal.Row
	var rules []string
	broken := 0
	for _, f := range s.Findings {
		row := terminal.Row{Cells: []string{string(f.Component), f.Minor.String(), "yes", minorRange(f.Allowed)}}
		if len(f.Rules) == 0 {
			row.Cells[3] = "-" // nothing but rules of others speaks of it
		}
		if !f.Supported {
			broken++
			row.Cells[2] = "no"
		}
		var why []string
		for _, v := range f.Violations {
			why = append(why, v.Why)
		}
		row.Below = strings.Join(why, ", and ")
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
	p.Grid([]string{"COMPONENT", "VERSION", "SUPPORTED", "ALLOWED"}, rows)
	p.Line("")
	seen := map[string]bool{}
	for _, rule := range rules {
		if mark, sentence, _ := strings.Cut(rule, " "); !seen[rule] {
			style := terminal.Dim
			if mark == "FAIL" {
				style = terminal.Red
			}
			p.Marked("  ", mark, style, sentence)
		}
		seen[rule] = true
	}
	p.Line("")
	verdict, style := fmt.Sprintf("SUPPORTED  %d component versions go together", len(s.Findings)), terminal.Green
	if !s.Supported() {
		verdict, style = fmt.Sprintf("NOT SUPPORTED  %d of %d component versions", broken, len(s.Findings)), terminal.Red
	}
	p.Last(p.Paint(terminal.Bold+style, verdict) + " (" + support.PolicyURL + ")")
	_, err := p.WriteTo(w)
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
func Upgrade(w io.Writer, from, to support.Minor, steps []support.Step, format string, o terminal.Options) error {
	if format != "table" {
		return encode.As(w, struct {
			SchemaVersion int            `json:"schemaVersion"`
			From          support.Minor  `json:"from"`
			To            support.Minor  `json:"to"`
			Policy        string         `json:"policy"`
			Steps         []support.Step `json:"steps"`
		}{report.SchemaVersion, from, to, support.PolicyURL, append([]support.Step{}, steps...)}, format)
	}
	p := &terminal.Page{Options: o}
	if len(steps) == 0 {
		p.Line(fmt.Sprintf("%s to %s is not a change of the minor version: the policy orders nothing", from, to))
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
		p.Line(p.Paint(terminal.Bold, head))
		for _, b := range s.Before {
			p.Marked("   ", "when", terminal.Dim, b)
		}
		for _, n := range s.Notes {
			p.Marked("   ", "note", terminal.Dim, n)
		}
	}
	p.Line("(" + support.PolicyURL + ")")
	_, err := p.WriteTo(w)
	return err
}
