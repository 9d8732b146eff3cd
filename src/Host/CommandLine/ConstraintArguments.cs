using System.CommandLine;
using Hearth.Runtime.Constraints;

namespace Hearth.Host.CommandLine;

/// <summary>What a verb's text must fit: <c>--schema</c>, <c>--grammar</c> or <c>--regex</c>.</summary>
internal sealed class ConstraintArguments
{
    private readonly Option<FileInfo?> _schema = new("--schema") { Description = "The text is JSON that is valid under the schema in this file.", HelpName = "FILE" };
    private readonly Option<FileInfo?> _grammar = new("--grammar") { Description = "The text is one of the grammar (GBNF) in this file.", HelpName = "FILE" };
    private readonly Option<string?> _regex = new("--regex") { Description = "The text matches this regular expression (ECMA 262) as a whole.", HelpName = "R" };

    public void AddTo(Command command)
    {
        foreach (var option in new Option[] { _schema, _grammar, _regex })
        {
            command.Options.Add(option);
        }
    }

    /// <summary>The constraint; null where none is asked for.</summary>
    /// <exception cref="UsageException">More than one is asked for.</exception>
    public async Task<Constraint?> ReadAsync(ParseResult parsed, CancellationToken cancellationToken)
    {
        var (schema, grammar, regex) = (parsed.GetValue(_schema), parsed.GetValue(_grammar), parsed.GetValue(_regex));
        if ((schema is not null ? 1 : 0) + (grammar is not null ? 1 : 0) + (regex is not null ? 1 : 0) > 1)
        {
            throw new UsageException("a text fits one of --schema, --grammar and --regex; give one of them");
        }

        return schema is not null ? Constraint.JsonSchema(await File.ReadAllTextAsync(schema.FullName, cancellationToken))
            : grammar is not null ? Constraint.Grammar(await File.ReadAllTextAsync(grammar.FullName, cancellationToken))
            : regex is not null ? Constraint.Regex(regex)
            : null;
    }
}
