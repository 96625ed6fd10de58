package command

// SayLater keeps a remark for sayRemarks; an empty one is not said.
func (a *App) SayLater(text string) {
	if text != "" {
		a.Remarks = append(a.Remarks, text)
	}
}

// SayRemarks says what was kept while progress had stderr to itself. A run that ends in
// an error says it behind the error, which comes first.
func (a *App) SayRemarks() {
	if !a.quiet {
		for _, text := range a.Remarks {
			a.Say("%s", text)
		}
	}
	a.Remarks = nil
}
