using System.CommandLine;
using System.Globalization;
using Hearth.Runtime.Protocol;

namespace Hearth.Host.CommandLine;

/// <summary>How a verb's tokens are chosen; added to each verb that generates.</summary>
internal sealed class SamplingArguments
{
    private readonly Option<int?> _maxTokens = new("--max-tokens") { Description = "At most this many tokens (default: as many as fit).", HelpName = "N" };
    private readonly Option<float?> _temperature = new("--temperature") { Description = "0 takes the likeliest token (default: 0.8; encoder–decoders: 0).", HelpName = "T" };
    private readonly Option<int?> _topK = new("--top-k") { Description = "Only the K likeliest tokens; 0: all (default: 40).", HelpName = "K" };
    private readonly Option<float?> _topP = new("--top-p") { Description = "Only the likeliest tokens that add up to P (default: 0.95).", HelpName = "P" };
    private readonly Option<float?> _minP = new("--min-p") { Description = "Only tokens P times as likely as the likeliest (default: 0.05).", HelpName = "P" };
    private readonly Option<float?> _repetition = new("--repetition-penalty") { Description = "Makes recent tokens less likely; 1: not (default).", HelpName = "R" };
    private readonly Option<float?> _presence = new("--presence-penalty") { Description = "Taken off every recent token's logit, -2 to 2 (default: 0).", HelpName = "R" };
    private readonly Option<float?> _frequency = new("--frequency-penalty") { Description = "Taken off a recent token's logit each time it occurs, -2 to 2 (default: 0).", HelpName = "R" };
    private readonly Option<int?> _beams = new("--beams") { Description = "Search the likeliest text with N beams; nothing is drawn (default: 1).", HelpName = "N" };
    private readonly Option<float?> _lengthPenalty = new("--length-penalty") { Description = "Beams are ranked by log-probability / length^X (default: 1).", HelpName = "X" };
    private readonly Option<ulong?> _seed = new("--seed") { Description = "The same seed gives the same text.", HelpName = "N" };
    private readonly Option<string[]> _stop = new("--stop") { Description = "Ends before this text; may be given several times.", HelpName = "TEXT", Arity = ArgumentArity.OneOrMore };
    private readonly Option<bool> _ignoreEos = new("--ignore-eos") { Description = "Go on past the model's end of text." };

    public SamplingArguments()
    {
        foreach (var option in new[] { _temperature, _topP, _minP, _repetition, _presence, _frequency, _lengthPenalty })
        {
            option.CustomParser = result =>
            {
                if (float.TryParse(result.Tokens[0].Value, NumberStyles.Float, CultureInfo.InvariantCulture, out var number))
                {
                    return number;
                }

                result.AddError($"{option.Name} must be a number, found '{result.Tokens[0].Value}'");
                return null;
            };
        }
    }

    public void AddTo(Command command)
    {
        foreach (var option in new Option[] { _maxTokens, _temperature, _topK, _topP, _minP, _repetition, _presence, _frequency, _beams, _lengthPenalty, _seed, _stop, _ignoreEos })
        {
            command.Options.Add(option);
        }
    }

    /// <exception cref="UsageException">A value is out of its range.</exception>
    public GenerationOptions Read(ParseResult parsed)
    {
        var options = new GenerationOptions
        {
            MaxTokens = parsed.GetValue(_maxTokens),
            Temperature = parsed.GetValue(_temperature),
            TopK = parsed.GetValue(_topK),
            TopP = parsed.GetValue(_topP),
            MinP = parsed.GetValue(_minP),
            RepetitionPenalty = parsed.GetValue(_repetition),
            PresencePenalty = parsed.GetValue(_presence),
            FrequencyPenalty = parsed.GetValue(_frequency),
            Beams = parsed.GetValue(_beams),
            LengthPenalty = parsed.GetValue(_lengthPenalty),
            Seed = parsed.GetValue(_seed),
            StopSequences = parsed.GetValue(_stop) ?? [],
            IgnoreEndOfText = parsed.GetValue(_ignoreEos),
        };
        return GenerationOptionsCheck.FindFault(options) is var (field, message)
            ? throw new UsageException(message.Replace($"'{field}'", "--" + field.Replace('_', '-'), StringComparison.Ordinal))
            : options;
    }
}
