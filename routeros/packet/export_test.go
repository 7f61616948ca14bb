package packet

// Classify says to the tests what an argument is to the evaluator.
func Classify(name string) string {
	return word(uint8(classify(name)), "unheard", "not a matcher", "decided", "undecidable")
}
