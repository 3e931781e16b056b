package ownership

deny contains "it has no owner as the house writes them" if {
	not regex.match(data.settings.owner, input.version.owner)
}

deny contains msg if {
	count(trim_space(input.version.description)) < data.settings.description
	msg := sprintf("its description has fewer than %v characters", [data.settings.description])
}

deny contains msg if {
	some tag in data.settings.tags
	not tag in input.version.tags
	msg := sprintf("it lacks the tag %v", [tag])
}

deny contains "it has no README.md" if {
	data.settings.readme
	not "README.md" in {file.path | some file in input.version.files}
}
