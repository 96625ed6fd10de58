package render

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/kverify/kverify/internal/render/encode"
	"github.com/kverify/kverify/internal/render/terminal"
	"github.com/kverify/kverify/pkg/report"
)

// maxSARIF is how many results of a run GitHub keeps; it refuses 25,000 of them.
const maxSARIF = 5000

const (
	homepage = "https://github.com/kverify/kverify"
	rules    = homepage + "/blob/main/docs/trust.md"
)

// SARIF 2.1.0 (OASIS), as much of it as is written. No array is null.
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool              sarifTool         `json:"tool"`
		AutomationDetails sarifID           `json:"automationDetails"`
		Invocations       []sarifInvocation `json:"invocations"`
		Results           []sarifResult     `json:"results"`
		ColumnKind        string            `json:"columnKind"`
	}
	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct {
		Name           string      `json:"name"`
		Version        string      `json:"version,omitempty"`
		InformationURI string      `json:"informationUri"`
		Rules          []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID               string          `json:"id"`
		ShortDescription sarifText       `json:"shortDescription"`
		FullDescription  sarifText       `json:"fullDescription"`
		Help             sarifText       `json:"help"`
		HelpURI          string          `json:"helpUri"`
		Properties       sarifProperties `json:"properties"`
	}
	sarifProperties struct {
		Tags []string `json:"tags"`
	}
	sarifID struct {
		ID string `json:"id"`
	}
	sarifText struct {
		Text string `json:"text"`
	}
	sarifInvocation struct {
		ExecutionSuccessful bool                `json:"executionSuccessful"`
		EndTimeUTC          string              `json:"endTimeUtc"`
		Notifications       []sarifNotification `json:"toolExecutionNotifications"`
	}
	sarifNotification struct {
		Level   string    `json:"level"`
		Message sarifText `json:"message"`
	}
	sarifResult struct {
		RuleID              string            `json:"ruleId"`
		RuleIndex           int               `json:"ruleIndex"`
		Level               string            `json:"level"`
		Message             sarifText         `json:"message"`
		Locations           []sarifLocation   `json:"locations"`
		RelatedLocations    []sarifLocation   `json:"relatedLocations,omitempty"`
		PartialFingerprints map[string]string `json:"partialFingerprints"`
		Properties          map[string]string `json:"properties"`
	}
	sarifLocation struct {
		PhysicalLocation sarifPhysical `json:"physicalLocation"`
		Message          *sarifText    `json:"message,omitempty"`
	}
	sarifPhysical struct {
		ArtifactLocation sarifArtifact `json:"artifactLocation"`
		Region           sarifRegion   `json:"region"`
	}
	sarifArtifact struct {
		URI       string `json:"uri"`
		URIBaseID string `json:"uriBaseId"`
	}
	sarifRegion struct {
		StartLine int `json:"startLine"`
	}
)

// SARIF writes the report for a code-scanning page: a rule a check, and a result for
// every required check that is not verified, refuted ones as errors and first, unknown
// ones as warnings. What is verified has none, so that a green run is "results": [] and
// closes older alerts; an empty, interrupted, partial or split run is never that.
//
// A consumer knows a result again by partialFingerprints, which are of check, subject,
// platform and digest. Of more than 5,000 results, which is what GitHub keeps, a
// notification counts the rest.
func SARIF(w io.Writer, r report.Report) error {
	run := sarifRun{
		Tool:              sarifTool{sarifDriver{Name: "kverify", Version: sarifEscape(r.Tool.Version), InformationURI: homepage, Rules: []sarifRule{}}},
		AutomationDetails: sarifID{"kverify/"},
		Results:           []sarifResult{},
		ColumnKind:        "unicodeCodePoints",
	}
	index := map[string]int{}
	for _, name := range append([]string{ofRun}, report.CheckNames...) {
		index[name] = len(index)
		run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, sarifRuleOf(name))
	}
	list := problems(r)
	for _, p := range list[:min(len(list), maxSARIF)] {
		run.Results = append(run.Results, sarifResultOf(p, index))
	}
	invocation := sarifInvocation{
		ExecutionSuccessful: !r.Interrupted && len(r.Results) > 0,
		EndTimeUTC:          r.Time.UTC().Format(time.RFC3339),
		Notifications:       []sarifNotification{{sarifLevel(r.Verdict(), true), sarifText{sarifEscape(verdictLine(r))}}},
	}
	if n := len(list) - maxSARIF; n > 0 {
		invocation.Notifications = append(invocation.Notifications, sarifNotification{"warning",
			sarifText{fmt.Sprintf("%d more results are not listed: %d is what consumers keep. The JSON report has them all.", n, maxSARIF)}})
	}
	run.Invocations = []sarifInvocation{invocation}
	return encode.JSON(w, sarifLog{
		Schema:  "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
		Version: "2.1.0", Runs: []sarifRun{run},
	})
}

func sarifRuleOf(name string) sarifRule {
	short, full := "The check "+name+" does not hold", "Expected: "+expected[name]+"."
	if name == ofRun {
		short, full = "The run is not the whole", "A run that was interrupted, or was asked for less, does not speak of everything."
	}
	return sarifRule{
		ID: "kverify/" + name, ShortDescription: sarifText{short}, FullDescription: sarifText{full},
		Help: sarifText{full + " The rules of proof are in docs/trust.md."}, HelpURI: rules,
		Properties: sarifProperties{[]string{"supply-chain", "kubernetes"}},
	}
}

func sarifResultOf(p problem, index map[string]int) sarifResult {
	name := p.check.Name
	if _, known := index[name]; !known {
		name = ofRun
	}
	message := p.headline()
	if todo := p.todo(); todo != "" {
		message += ". What to do: " + todo
	}
	file, line := p.file()
	out := sarifResult{
		RuleID: "kverify/" + name, RuleIndex: index[name], Level: sarifLevel(p.check.Verdict, p.check.Required),
		Message: sarifText{sarifEscape(message)}, Locations: []sarifLocation{sarifAt(file, line, nil)},
		PartialFingerprints: map[string]string{"primaryLocationLineHash": p.fingerprint()[:16] + ":1", "kverifyFingerprint/v1": p.fingerprint()},
		Properties:          map[string]string{},
	}
	for i, at := range p.result.Places {
		if i > 0 && at.Source != "-" {
			out.RelatedLocations = append(out.RelatedLocations, sarifAt(relative(at.Source), max(1, at.Line), &sarifText{sarifEscape(relative(at.String()))}))
		}
	}
	for k, v := range map[string]string{
		"subject": p.result.Subject, "platform": p.result.Platform, "digest": p.result.Digest, "release": p.result.Release,
		"verdict": p.check.Verdict.String(), "reason": string(p.check.Reason),
	} {
		if v != "" {
			out.Properties[k] = sarifEscape(v)
		}
	}
	return out
}

func sarifAt(file string, line int, message *sarifText) sarifLocation {
	return sarifLocation{sarifPhysical{sarifArtifact{sarifURI(file), "%SRCROOT%"}, sarifRegion{line}}, message}
}

// sarifLevel is how bad it is; what lowers no verdict is a note.
func sarifLevel(v report.Verdict, lowers bool) string {
	switch {
	case v == report.Verified || !lowers:
		return "note"
	case v == report.Refuted:
		return "error"
	}
	return "warning"
}

// sarifEscape is SARIF's escaper, for messages: "[text](address)" in one is a link
// (SARIF 2.1.0, 3.11.6), and no text from outside may be one.
func sarifEscape(s string) string { return strings.ReplaceAll(terminal.Escape(s), "](", "] (") }

// sarifURI makes a relative URI reference (RFC 3986) of a path or the name of an image:
// what may not stand in one is percent-encoded, and so is a colon in the first segment,
// which would be the end of a scheme.
func sarifURI(name string) string {
	const allowed = "-._~!$&'()*+,;=@/" + "0123456789" + "abcdefghijklmnopqrstuvwxyz" + "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	var b strings.Builder
	first := true
	for i := range len(name) {
		c := name[i]
		first = first && c != '/'
		if strings.IndexByte(allowed, c) >= 0 || c == ':' && !first {
			b.WriteByte(c)
			continue
		}
		fmt.Fprintf(&b, "%%%02X", c)
	}
	return b.String()
}
