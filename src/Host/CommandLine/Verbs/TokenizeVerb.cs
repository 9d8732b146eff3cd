using System.CommandLine;
using Hearth.Host.Service;
using Hearth.Runtime.Gguf;
using Hearth.Runtime.Tokenizers;

namespace Hearth.Host.CommandLine.Verbs;

/// <summary><c>hearth tokenize MODEL</c>: UTF-8 in, ids out on one line; texts that end in NUL get a line each.</summary>
internal static class TokenizeVerb
{
    public static Command Create(CommandEnvironment environment)
    {
        var model = new Argument<string>("MODEL") { Description = "A GGUF file with a vocabulary (weights are not needed), or the name of one in a model folder." };
        var special = new Option<bool>("--special") { Description = "Add the tokens that begin and end a text, and let special tokens written in the text count as such." };
        var pre = new Option<string?>("--pre") { Description = "Take this pre-tokenizer in place of the file's tokenizer.ggml.pre.", HelpName = "NAME" };
        var input = new Option<string?>("--input") { Description = "The text's file (default: what is piped in).", HelpName = "FILE" };
        var command = new Command("tokenize", "Turn text into token ids.") { model, special, pre, input };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            Tokenizer tokenizer;
            using (var file = GgufFile.Open(ModelLocator.Find(parsed.GetRequiredValue(model))))
            {
                tokenizer = Tokenizer.FromMetadata(file.Metadata, parsed.GetValue(pre));
            }

            var bytes = await environment.ReadAllAsync(parsed.GetValue(input), cancellationToken);
            WriteIds(tokenizer, bytes, parsed.GetValue(special), environment.Output, cancellationToken);
            return 0;
        });
        return command;
    }

    private static void WriteIds(Tokenizer tokenizer, ReadOnlySpan<byte> bytes, bool special, TextWriter output, CancellationToken cancellationToken)
    {
        do
        {
            cancellationToken.ThrowIfCancellationRequested();
            var end = bytes.IndexOf((byte)0);
            var text = end < 0 ? bytes : bytes[..end];
            output.WriteLine(string.Join(' ', tokenizer.Encode(text, addSpecial: special, parseSpecial: special)));
            bytes = end < 0 ? [] : bytes[(end + 1)..];
        }
        while (!bytes.IsEmpty);
    }
}
