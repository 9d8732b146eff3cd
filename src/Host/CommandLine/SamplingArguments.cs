using System.CommandLine;
using System.Globalization;
using System.Numerics;
using Hearth.Runtime.Protocol;

namespace Hearth.Host.CommandLine;

/// <summary>How a verb's tokens are chosen; added to each verb that generates. Flags of numbers come from <see cref="GenerationOptions.Table"/>.</summary>
internal sealed class SamplingArguments
{
    private readonly IReadOnlyList<Flag> _numbers = [.. GenerationOptions.Table.Where(option => option.Help is not null).Select(NumberFlag).OfType<Flag>()];
    private readonly Option<string[]> _stop = Described(new Option<string[]>(GenerationOptions.StopSequencesOption.Flag) { Arity = ArgumentArity.OneOrMore }, GenerationOptions.StopSequencesOption);
    private readonly IReadOnlyList<(NameOption Option, Option<string?> Flag)> _names = [.. GenerationOptions.Table.OfType<NameOption>().Select(option => (option, Described(new Option<string?>(option.Flag), option)))];
    private readonly Option<bool> _ignoreEos = Described(new Option<bool>(GenerationOptions.IgnoreEndOfTextOption.Flag), GenerationOptions.IgnoreEndOfTextOption);

    public void AddTo(Command command)
    {
        foreach (var option in _numbers.Select(flag => flag.Option).Concat(_names.Select(name => name.Flag)).Concat([_stop, _ignoreEos]))
        {
            command.Options.Add(option);
        }
    }

    /// <exception cref="InvalidRequestException">A value is out of its range.</exception>
    public GenerationOptions Read(ParseResult parsed)
    {
        var options = new GenerationOptions { StopSequences = parsed.GetValue(_stop) ?? [], IgnoreEndOfText = parsed.GetValue(_ignoreEos) };
        options = _numbers.Aggregate(options, (before, flag) => flag.Apply(parsed, before));
        options = _names.Aggregate(options, (before, name) => name.Option.With(before, parsed.GetValue(name.Flag)));
        return options.FindFault() is { } fault ? throw fault : options;
    }

    private static Flag? NumberFlag(GenerationOption option) => option switch
    {
        NumberOption<int> number => new Flag<int>(number, "a whole number", text => int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var value) ? value : null),
        NumberOption<float> number => new Flag<float>(number, "a number", text => float.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var value) ? value : null),
        NumberOption<ulong> number => new Flag<ulong>(number, "an integer of 64 bits", text => SeedText.TryParse(text, out var value) ? value : null, unset: SeedText.Fresh),
        _ => null,
    };

    private static TOption Described<TOption>(TOption flag, GenerationOption option)
        where TOption : Option
    {
        flag.Description = option.Help;
        flag.HelpName = option.HelpName;
        return flag;
    }

    private abstract class Flag
    {
        public abstract Option Option { get; }

        public abstract GenerationOptions Apply(ParseResult parsed, GenerationOptions options);
    }

    private sealed class Flag<T> : Flag
        where T : struct, INumber<T>, IMinMaxValue<T>
    {
        private readonly NumberOption<T> _number;
        private readonly Option<T?> _option;
        private readonly string? _unset;

        /// <param name="option">What the flag sets.</param>
        /// <param name="kind">What a value is, to be read behind "must be".</param>
        /// <param name="parse">Reads a value; null for what is none.</param>
        /// <param name="unset">A text that stands for no value.</param>
        public Flag(NumberOption<T> option, string kind, Func<string, T?> parse, string? unset = null)
        {
            (_number, _unset) = (option, unset);
            _option = Described(new Option<T?>(option.Flag), option);
            _option.CustomParser = result =>
            {
                var text = result.Tokens[0].Value;
                var value = text == unset ? default(T) : parse(text);
                if (value is null)
                {
                    result.AddError($"{option.Flag} must be {kind}, found '{text}'");
                }

                return value;
            };
        }

        public override Option Option => _option;

        public override GenerationOptions Apply(ParseResult parsed, GenerationOptions options) => _number.With(options, IsUnset(parsed) ? null : parsed.GetValue(_option));

        private bool IsUnset(ParseResult parsed) => _unset is not null && parsed.GetResult(_option)?.Tokens is [{ Value: var text }] && text == _unset;
    }
}
