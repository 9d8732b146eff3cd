using System.CommandLine;

namespace Hearth.Host.CommandLine.Chats;

/// <summary>The options of sampling of a chat: those of the command line, which can be changed on the way.</summary>
internal sealed class ChatSettings
{
    private readonly SamplingArguments _sampling;
    private readonly Command _command = new("set");
    private readonly SortedDictionary<string, IReadOnlyList<string>> _values = new(StringComparer.Ordinal);

    /// <param name="sampling">Reads the options.</param>
    /// <param name="options">The flags that it added to the verb.</param>
    /// <param name="parsed">The command line.</param>
    /// <exception cref="InvalidRequestException">A value is out of its range.</exception>
    public ChatSettings(SamplingArguments sampling, IReadOnlyList<Option> options, ParseResult parsed)
    {
        _sampling = sampling;
        foreach (var option in options)
        {
            _command.Options.Add(option);
            if (parsed.GetResult(option) is { Implicit: false } result)
            {
                _values[option.Name] = [.. result.Tokens.Select(token => token.Value)];
            }
        }

        Options = sampling.Read(parsed);
    }

    public GenerationOptions Options { get; private set; }

    /// <summary>Names without their dashes.</summary>
    public IEnumerable<string> Names => _command.Options.Select(option => Plain(option.Name));

    /// <summary>What is set, a line each.</summary>
    public IEnumerable<string> Describe() => _values.Select(pair => $"{Plain(pair.Key)} {string.Join(' ', pair.Value)}".TrimEnd());

    /// <summary>Sets an option; without a value it is the model's own again.</summary>
    /// <returns>What is wrong; null where it is set.</returns>
    public string? Set(string name, string? value)
    {
        var option = _command.Options.FirstOrDefault(option => Plain(option.Name).Equals(name.Replace('_', '-'), StringComparison.OrdinalIgnoreCase));
        if (option is null)
        {
            var near = Suggestions.Nearest(name, Names);
            return $"there is no setting '{name}'{(near is null ? $"; there are: {string.Join(", ", Names)}" : $"; did you mean {near}?")}";
        }

        var values = new SortedDictionary<string, IReadOnlyList<string>>(_values, StringComparer.Ordinal);
        if (string.IsNullOrEmpty(value))
        {
            values.Remove(option.Name);
        }
        else
        {
            values[option.Name] = [value];
        }

        // "--name=value", so that a value may begin with a dash; a switch without one is on.
        var parsed = _command.Parse([.. values.SelectMany(pair => pair.Value.Count == 0 ? [pair.Key] : pair.Value.Select(item => $"{pair.Key}={item}"))]);
        if (parsed.Errors is [var error, ..])
        {
            return error.Message;
        }

        try
        {
            Options = _sampling.Read(parsed);
        }
        catch (InvalidRequestException invalid)
        {
            return $"{name} {invalid.Reason}";
        }

        _values.Clear();
        foreach (var (key, items) in values)
        {
            _values[key] = items;
        }

        return null;
    }

    private static string Plain(string name) => name.TrimStart('-');
}
