using Hearth.Extensions.AI.Backends;
using Microsoft.SemanticKernel;
using Microsoft.SemanticKernel.ChatCompletion;

namespace Hearth.SemanticKernel;

/// <summary>The pieces of one answer as Semantic Kernel streams them.</summary>
/// <param name="round">Which request of the exchange it answers, from 0.</param>
internal sealed class StreamedAnswer(int round)
{
    private readonly HashSet<(int Choice, int Call)> _begun = [];

    public StreamingChatMessageContent ToPiece(BackendUpdate update)
    {
        var (response, piece) = update;
        var isOther = piece.Text.Length == 0 && (piece.Reasoning.Length > 0 || piece.ToolCalls.Count > 0);
        var content = new StreamingChatMessageContent(
            AuthorRole.Assistant, isOther ? null : piece.Text, piece, piece.Choice, response.ModelId,
            metadata: ResponseMetadata.Of(response, piece.FinishReason, piece.Usage, piece.LogProbabilities, piece.Warnings));
        if (piece.Reasoning.Length > 0)
            content.Items.Add(new StreamingReasoningContent(piece.Reasoning) { ChoiceIndex = piece.Choice, ModelId = response.ModelId });
        foreach (var call in piece.ToolCalls)
        {
            // As of every connector, the first piece of a call alone has its id and its name.
            var isFirst = _begun.Add((piece.Choice, call.Index));
            if (!isFirst && call.Arguments.Length == 0)
                continue;
            content.Items.Add(new StreamingFunctionCallUpdateContent(isFirst ? call.Id : null, isFirst ? call.Name : null, call.Arguments, call.Index)
            {
                ChoiceIndex = piece.Choice,
                ModelId = response.ModelId,
                RequestIndex = round,
            });
        }

        return content;
    }
}
