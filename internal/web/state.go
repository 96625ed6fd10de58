package web

import (
	"github.com/kverify/kverify/pkg/mirror"
	"github.com/kverify/kverify/pkg/report"
)

// state is what there is to show.
type state struct {
	held   mirror.Contents
	report *report.Report // nil if there is none
	status string         // "pending", "judged", "failed" or "off"
	why    string
	items  []item
}
